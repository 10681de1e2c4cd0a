/* Socket addresses in the layout that programs for Linux expect; the packaged headers leave out what they hold. */
#ifndef __wasilibc___struct_sockaddr_h
#define __wasilibc___struct_sockaddr_h

#include <__typedef_sa_family_t.h>

struct sockaddr {
    sa_family_t sa_family;
    char sa_data[14];
};

#endif
