/* Names of hosts and services: numbers, /etc/hosts, then the VM's resolver; /etc/services and the best known services. */
#include "agentos.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define FOUND_MAX 64
#define LINE 1024
/* The resolver's answer: an address has at most 30 bytes with its length. */
#define ANSWER (FOUND_MAX * 30)
#define KERNEL_INET 2
#define KERNEL_INET6 10

struct found {
    int family;
    uint8_t bytes[16];
};

struct found_list {
    size_t n;
    struct found all[FOUND_MAX];
};

static void add(struct found_list *list, int family, const void *bytes) {
    struct found one = {.family = family};
    memcpy(one.bytes, bytes, family == AF_INET ? 4 : 16);
    for (size_t i = 0; i < list->n; i++) {
        if (memcmp(&list->all[i], &one, sizeof one) == 0) return;
    }
    if (list->n < FOUND_MAX) list->all[list->n++] = one;
}

static bool takes(int wanted, int family) { return wanted == AF_UNSPEC || wanted == family; }

/* A literal address of any family; its family, or AF_UNSPEC. The scope of IPv6 is a number after '%'. */
static int literal(const char *text, uint8_t out[16], uint32_t *scope) {
    struct in_addr v4;
    char copy[INET6_ADDRSTRLEN];
    *scope = 0;
    if (inet_aton(text, &v4)) {
        memcpy(out, &v4, 4);
        return AF_INET;
    }
    size_t len = strcspn(text, "%");
    if (len >= sizeof copy) return AF_UNSPEC;
    memcpy(copy, text, len);
    copy[len] = 0;
    if (inet_pton(AF_INET6, copy, out) != 1) return AF_UNSPEC;
    if (text[len] == '%') {
        char *end;
        unsigned long number = strtoul(text + len + 1, &end, 10);
        if (*end != 0 || end == text + len + 1 || number > UINT32_MAX) return AF_UNSPEC;
        *scope = (uint32_t)number;
    }
    return AF_INET6;
}

/* Next word of a line of /etc/hosts or /etc/services; NULL at the end or at a comment. */
static char *word(char **rest) {
    char *start = *rest + strspn(*rest, " \t\r\n");
    if (*start == 0 || *start == '#') return NULL;
    char *end = start + strcspn(start, " \t\r\n#");
    /* A comment ends the line also where it touches a word. */
    *rest = *end == '#' || *end == 0 ? "" : end + 1;
    *end = 0;
    return start;
}

/* Adds what /etc/hosts says of a name. */
static void look_in_hosts(const char *name, int family, struct found_list *list) {
    char line[LINE];
    FILE *file = fopen("/etc/hosts", "r");
    size_t len = strlen(name);
    if (len > 0 && name[len - 1] == '.') len--;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *rest = line, *number = word(&rest), *alias;
        uint8_t bytes[16];
        uint32_t scope;
        if (number == NULL) continue;
        int kind = literal(number, bytes, &scope);
        while (kind != AF_UNSPEC && (alias = word(&rest)) != NULL) {
            if (strlen(alias) == len && strncasecmp(alias, name, len) == 0 && takes(family, kind)) {
                add(list, kind, bytes);
            }
        }
    }
    if (file != NULL) fclose(file);
}

/* The first name that /etc/hosts has for an address. */
static bool name_in_hosts(int family, const void *address, char *out, size_t cap) {
    char line[LINE];
    bool known = false;
    FILE *file = fopen("/etc/hosts", "r");
    while (!known && file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *rest = line, *number = word(&rest), *name = number == NULL ? NULL : word(&rest);
        uint8_t bytes[16];
        uint32_t scope;
        if (name == NULL || literal(number, bytes, &scope) != family) continue;
        if (memcmp(bytes, address, family == AF_INET ? 4 : 16) != 0 || strlen(name) >= cap) continue;
        strcpy(out, name);
        known = true;
    }
    if (file != NULL) fclose(file);
    return known;
}

/* Asks the VM's resolver; a result of EAI_*. */
static int ask(const char *name, int family, struct found_list *list) {
    uint8_t answer[ANSWER];
    size_t n = 0;
    uint32_t kernel = family == AF_INET ? KERNEL_INET : family == AF_INET6 ? KERNEL_INET6 : 0;
    uint32_t err = agentos_sock_resolve(name, strlen(name), kernel, 0, answer, sizeof answer, &n);
    switch (err) {
    case 0: break;
    case ENOENT: case EINVAL: return EAI_NONAME;
    case EAGAIN: case ETIMEDOUT: return EAI_AGAIN;
    default: errno = (int)err; return EAI_SYSTEM;
    }
    for (size_t at = 0; at + 2 <= n;) {
        size_t len = answer[at] | (size_t)answer[at + 1] << 8;
        const uint8_t *address = answer + at + 2;
        at += 2 + len;
        if (at > n) break;
        if (len >= 8 && address[0] == KERNEL_INET) add(list, AF_INET, address + 4);
        if (len >= 24 && address[0] == KERNEL_INET6) add(list, AF_INET6, address + 8);
    }
    return list->n > 0 ? 0 : EAI_NONAME;
}

static int look_up(const char *name, int family, struct found_list *list) {
    list->n = 0;
    if (*name == 0) return EAI_NONAME;
    look_in_hosts(name, family, list);
    return list->n > 0 ? 0 : ask(name, family, list);
}

/* Services. */

static const struct {
    const char *name;
    uint16_t port;
    bool tcp, udp;
} known_services[] = {
    {"ftp", 21, true, false},     {"ssh", 22, true, false},    {"telnet", 23, true, false}, {"smtp", 25, true, false},
    {"domain", 53, true, true},   {"tftp", 69, false, true},   {"http", 80, true, false},   {"pop3", 110, true, false},
    {"ntp", 123, false, true},    {"imap2", 143, true, false}, {"https", 443, true, true},  {"imaps", 993, true, false},
    {"postgresql", 5432, true, false},
};

/* One service by name or, with a null name, by port; static storage, as the interface says. */
static struct servent *service(const char *name, int port, const char *protocol) {
    static char line[LINE];
    static char *none[] = {NULL};
    static struct servent out;
    bool found = false;
    FILE *file = fopen("/etc/services", "r");
    while (!found && file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *rest = line, *first = word(&rest), *second = first == NULL ? NULL : word(&rest), *alias;
        char *slash = second == NULL ? NULL : strchr(second, '/');
        if (slash == NULL || (protocol != NULL && strcmp(slash + 1, protocol) != 0)) continue;
        *slash = 0;
        out = (struct servent){first, none, htons((uint16_t)atoi(second)), slash + 1};
        found = name == NULL ? out.s_port == port : strcmp(first, name) == 0;
        while (!found && name != NULL && (alias = word(&rest)) != NULL) found = strcmp(alias, name) == 0;
    }
    if (file != NULL) fclose(file);
    for (size_t i = 0; !found && i < sizeof known_services / sizeof *known_services; i++) {
        bool tcp = protocol == NULL ? known_services[i].tcp : strcmp(protocol, "tcp") == 0;
        if (tcp ? !known_services[i].tcp : !known_services[i].udp) continue;
        if (!tcp && protocol != NULL && strcmp(protocol, "udp") != 0) continue;
        found = name == NULL ? htons(known_services[i].port) == port : strcmp(known_services[i].name, name) == 0;
        out = (struct servent){(char *)known_services[i].name, none, htons(known_services[i].port),
                               tcp ? "tcp" : "udp"};
    }
    return found ? &out : NULL;
}

struct servent *getservbyname(const char *name, const char *protocol) { return service(name, 0, protocol); }

struct servent *getservbyport(int port, const char *protocol) { return service(NULL, port, protocol); }

static struct protoent protocols[] = {
    {"ip", (char *[]){NULL}, IPPROTO_IP},   {"icmp", (char *[]){NULL}, IPPROTO_ICMP},
    {"tcp", (char *[]){NULL}, IPPROTO_TCP}, {"udp", (char *[]){NULL}, IPPROTO_UDP},
};

struct protoent *getprotobyname(const char *name) {
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (strcmp(protocols[i].p_name, name) == 0) return &protocols[i];
    }
    return NULL;
}

struct protoent *getprotobynumber(int number) {
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (protocols[i].p_proto == number) return &protocols[i];
    }
    return NULL;
}

/* getaddrinfo and its reverse. */

static int port_of(const char *text, int kind, int flags, uint16_t *port) {
    char *end;
    *port = 0;
    if (text == NULL) return 0;
    unsigned long number = strtoul(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == 0) {
        if (number > UINT16_MAX) return EAI_SERVICE;
        *port = htons((uint16_t)number);
        return 0;
    }
    if ((flags & AI_NUMERICSERV) != 0) return EAI_NONAME;
    struct servent *known = service(text, 0, kind == SOCK_STREAM ? "tcp" : kind == SOCK_DGRAM ? "udp" : NULL);
    if (known == NULL) return EAI_SERVICE;
    *port = (uint16_t)known->s_port;
    return 0;
}

/* One entry and its address, in one piece. */
struct entry {
    struct addrinfo info;
    struct sockaddr_storage address;
};

static struct addrinfo *entry(const struct found *found, uint32_t scope, uint16_t port, int kind, int protocol) {
    struct entry *made = calloc(1, sizeof *made);
    if (made == NULL) return NULL;
    made->info.ai_family = found->family;
    made->info.ai_socktype = kind;
    made->info.ai_protocol = protocol;
    made->info.ai_addr = (struct sockaddr *)&made->address;
    if (found->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&made->address;
        in->sin_family = AF_INET;
        in->sin_port = port;
        memcpy(&in->sin_addr, found->bytes, 4);
        made->info.ai_addrlen = sizeof *in;
    } else {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)&made->address;
        in->sin6_family = AF_INET6;
        in->sin6_port = port;
        in->sin6_scope_id = scope;
        memcpy(&in->sin6_addr, found->bytes, 16);
        made->info.ai_addrlen = sizeof *in;
    }
    return &made->info;
}

/* The addresses that a node means. */
static int addresses(const char *node, int family, int flags, struct found_list *list, uint32_t *scope) {
    uint8_t bytes[16] = {0};
    list->n = 0;
    *scope = 0;
    if (node == NULL) {
        static const uint8_t one[16] = {[15] = 1}, local[4] = {127, 0, 0, 1};
        bool any = (flags & AI_PASSIVE) != 0;
        if (takes(family, AF_INET)) add(list, AF_INET, any ? bytes : local);
        if (takes(family, AF_INET6)) add(list, AF_INET6, any ? bytes : one);
        return 0;
    }
    int kind = literal(node, bytes, scope);
    if (kind != AF_UNSPEC) {
        if (!takes(family, kind)) return EAI_NONAME;
        add(list, kind, bytes);
        return 0;
    }
    if ((flags & AI_NUMERICHOST) != 0) return EAI_NONAME;
    int result = look_up(node, family, list);
    if (result == EAI_NONAME && family == AF_INET6 && (flags & AI_V4MAPPED) != 0) {
        result = look_up(node, AF_INET, list);
        for (size_t i = 0; i < list->n; i++) {
            struct found mapped = {.family = AF_INET6, .bytes = {[10] = 0xff, [11] = 0xff}};
            memcpy(mapped.bytes + 12, list->all[i].bytes, 4);
            list->all[i] = mapped;
        }
    }
    return result;
}

int getaddrinfo(const char *restrict node, const char *restrict service_name, const struct addrinfo *restrict hints,
                struct addrinfo **restrict out) {
    static const int kinds[][2] = {{SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, IPPROTO_UDP}};
    int family = hints == NULL ? AF_UNSPEC : hints->ai_family, flags = hints == NULL ? 0 : hints->ai_flags;
    int kind = hints == NULL ? 0 : hints->ai_socktype, protocol = hints == NULL ? 0 : hints->ai_protocol;
    struct found_list *list;
    struct addrinfo *first = NULL, **end = &first;
    uint16_t port;
    uint32_t scope;
    if (node == NULL && service_name == NULL) return EAI_NONAME;
    if ((flags & AI_CANONNAME) != 0 && node == NULL) return EAI_BADFLAGS;
    if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6) return EAI_FAMILY;
    if (kind != 0 && kind != SOCK_STREAM && kind != SOCK_DGRAM) return EAI_SOCKTYPE;
    int result = port_of(service_name, kind, flags, &port);
    if (result != 0) return result;
    if ((list = malloc(sizeof *list)) == NULL) return EAI_MEMORY;
    result = addresses(node, family, flags, list, &scope);
    bool fits = false;
    for (size_t i = 0; result == 0 && i < list->n * 2; i++) {
        const int *each = kinds[i % 2];
        if ((kind != 0 && kind != each[0]) || (protocol != 0 && protocol != each[1])) continue;
        fits = true;
        if ((*end = entry(&list->all[i / 2], scope, port, each[0], each[1])) == NULL) {
            result = EAI_MEMORY;
        } else {
            end = &(*end)->ai_next;
        }
    }
    free(list);
    if (result == 0 && !fits) result = EAI_SOCKTYPE;
    if (result == 0 && (flags & AI_CANONNAME) != 0 && (first->ai_canonname = strdup(node)) == NULL) result = EAI_MEMORY;
    if (result != 0) {
        int saved = errno;
        freeaddrinfo(first);
        errno = saved;
        return result;
    }
    *out = first;
    return 0;
}

void freeaddrinfo(struct addrinfo *list) {
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list->ai_canonname);
        free(list);
        list = next;
    }
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t len, char *restrict host, socklen_t host_cap,
                char *restrict serv, socklen_t serv_cap, int flags) {
    const void *bytes;
    uint16_t port;
    uint32_t scope = 0;
    char text[NI_MAXHOST];
    if (len >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        bytes = &in->sin_addr;
        port = in->sin_port;
    } else if (len >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
        bytes = &in->sin6_addr;
        port = in->sin6_port;
        scope = in->sin6_scope_id;
    } else {
        return EAI_FAMILY;
    }
    if (host != NULL && host_cap > 0) {
        bool named = (flags & NI_NUMERICHOST) == 0 && name_in_hosts(address->sa_family, bytes, text, sizeof text);
        if (!named && (flags & NI_NAMEREQD) != 0) return EAI_NONAME;
        if (!named) {
            if (inet_ntop(address->sa_family, bytes, text, sizeof text) == NULL) return EAI_FAIL;
            if (scope != 0) sprintf(text + strlen(text), "%%%u", (unsigned)scope);
        }
        if (strlen(text) >= host_cap) return EAI_OVERFLOW;
        strcpy(host, text);
    }
    if (serv != NULL && serv_cap > 0) {
        struct servent *known = NULL;
        if ((flags & NI_NUMERICSERV) == 0) known = service(NULL, port, (flags & NI_DGRAM) != 0 ? "udp" : "tcp");
        int n = known != NULL ? snprintf(serv, serv_cap, "%s", known->s_name)
                              : snprintf(serv, serv_cap, "%u", (unsigned)ntohs(port));
        if (n < 0 || (socklen_t)n >= serv_cap) return EAI_OVERFLOW;
    }
    return 0;
}

const char *gai_strerror(int code) {
    switch (code) {
    case 0: return "Success";
    case EAI_BADFLAGS: return "Invalid flags";
    case EAI_NONAME: return "Name or service not known";
    case EAI_AGAIN: return "Temporary failure in name resolution";
    case EAI_FAIL: return "Name resolution failed";
    case EAI_NODATA: return "No address for this name";
    case EAI_FAMILY: return "Address family not supported";
    case EAI_SOCKTYPE: return "Socket type not supported";
    case EAI_SERVICE: return "Service not known for this socket type";
    case EAI_MEMORY: return "Out of memory";
    case EAI_SYSTEM: return "System error";
    case EAI_OVERFLOW: return "Argument buffer too small";
    default: return "Unknown error";
    }
}

/* The older interface, with its static storage. */

static int h_error;

int *__h_errno_location(void) { return &h_error; }

const char *hstrerror(int code) {
    switch (code) {
    case 0: return "No error";
    case HOST_NOT_FOUND: return "Unknown host";
    case TRY_AGAIN: return "Host name lookup failure";
    case NO_DATA: return "No address associated with name";
    default: return "Unknown server error";
    }
}

void herror(const char *prefix) {
    fprintf(stderr, "%s%s%s\n", prefix != NULL ? prefix : "", prefix != NULL ? ": " : "", hstrerror(h_error));
}

static struct hostent *host_entry(const char *name, const struct found_list *list) {
    static char held[NI_MAXHOST];
    static uint8_t bytes[FOUND_MAX][16];
    static char *addresses[FOUND_MAX + 1], *none[] = {NULL};
    static struct hostent out;
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (list->all[i].family != list->all[0].family) continue;
        memcpy(bytes[n], list->all[i].bytes, sizeof bytes[n]);
        addresses[n] = (char *)bytes[n];
        n++;
    }
    addresses[n] = NULL;
    snprintf(held, sizeof held, "%s", name);
    int family = list->all[0].family;
    out = (struct hostent){held, none, family, family == AF_INET ? 4 : 16, addresses};
    return &out;
}

struct hostent *gethostbyname2(const char *name, int family) {
    struct found_list list = {0};
    uint8_t bytes[16];
    uint32_t scope;
    int kind = literal(name, bytes, &scope), result = 0;
    if (kind == family) {
        add(&list, kind, bytes);
    } else {
        result = kind != AF_UNSPEC ? EAI_NONAME : look_up(name, family, &list);
    }
    if (result == 0) return host_entry(name, &list);
    h_error = result == EAI_NONAME ? HOST_NOT_FOUND : result == EAI_AGAIN ? TRY_AGAIN : NO_RECOVERY;
    return NULL;
}

struct hostent *gethostbyname(const char *name) { return gethostbyname2(name, AF_INET); }

struct hostent *gethostbyaddr(const void *address, socklen_t len, int family) {
    struct found_list list = {0};
    char name[NI_MAXHOST];
    if (((family == AF_INET && len >= 4) || (family == AF_INET6 && len >= 16)) &&
        name_in_hosts(family, address, name, sizeof name)) {
        add(&list, family, address);
        return host_entry(name, &list);
    }
    h_error = HOST_NOT_FOUND;
    return NULL;
}
