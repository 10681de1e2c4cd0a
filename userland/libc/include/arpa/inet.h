/* The packaged header, and what it leaves out. */
#ifndef AGENTOS_ARPA_INET_H
#define AGENTOS_ARPA_INET_H

#include_next <arpa/inet.h>

#ifdef __cplusplus
extern "C" {
#endif

in_addr_t inet_addr(const char *);
char *inet_ntoa(struct in_addr);

#ifdef __cplusplus
}
#endif

#endif
