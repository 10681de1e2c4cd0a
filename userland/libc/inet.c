/* Internet addresses as text. inet_aton is the packaged libc's. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define GROUPS 8

in_addr_t inet_addr(const char *text) {
    struct in_addr out;
    return inet_aton(text, &out) ? out.s_addr : INADDR_NONE;
}

char *inet_ntoa(struct in_addr in) {
    static char text[INET_ADDRSTRLEN];
    return (char *)inet_ntop(AF_INET, &in, text, sizeof text);
}

static const char *v4_text(const uint8_t *a, char *out, size_t cap) {
    int n = snprintf(out, cap, "%d.%d.%d.%d", a[0], a[1], a[2], a[3]);
    return n >= 0 && (size_t)n < cap ? out : NULL;
}

/* The longest run of two or more zero groups becomes "::". */
static const char *v6_text(const uint8_t *a, char *out, size_t cap) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN], *at = text;
    int groups = memcmp(a, mapped, sizeof mapped) == 0 ? 6 : GROUPS;
    int start = -1, longest = 1;
    for (int i = 0; i < groups; i++) {
        int n = 0;
        while (i + n < groups && a[2 * (i + n)] == 0 && a[2 * (i + n) + 1] == 0) n++;
        if (n > longest) {
            start = i;
            longest = n;
        }
    }
    for (int i = 0; i < groups; i++) {
        if (i == start) {
            /* The group before has written one of the two colons. */
            at = stpcpy(at, start == 0 ? "::" : ":");
            i += longest - 1;
            continue;
        }
        at += sprintf(at, "%x", a[2 * i] << 8 | a[2 * i + 1]);
        if (i + 1 < GROUPS) at = stpcpy(at, ":");
    }
    if (groups == 6 && v4_text(a + 12, at, (size_t)(text + sizeof text - at)) == NULL) return NULL;
    return strlen(text) < cap ? strcpy(out, text) : NULL;
}

const char *inet_ntop(int family, const void *restrict address, char *restrict out, socklen_t cap) {
    const char *text = NULL;
    if (family != AF_INET && family != AF_INET6) {
        errno = EAFNOSUPPORT;
        return NULL;
    }
    text = family == AF_INET ? v4_text(address, out, cap) : v6_text(address, out, cap);
    if (text == NULL) errno = ENOSPC;
    return text;
}

/* Exactly four decimal numbers without leading zeros. */
static int parse_v4(const char *text, uint8_t out[4]) {
    for (int i = 0; i < 4; i++) {
        int value = 0, digits = 0;
        for (; *text >= '0' && *text <= '9'; text++, digits++) {
            if (digits > 0 && value == 0) return 0;
            value = value * 10 + (*text - '0');
            if (value > 255) return 0;
        }
        if (digits == 0 || (i < 3 ? *text++ != '.' : *text != 0)) return 0;
        out[i] = (uint8_t)value;
    }
    return 1;
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
    return -1;
}

static int parse_v6(const char *text, uint8_t out[16]) {
    uint16_t groups[GROUPS] = {0};
    int n = 0, gap = -1;
    if (*text == ':' && *++text != ':') return 0;
    while (*text != 0) {
        if (*text == ':') {
            if (gap >= 0) return 0;
            gap = n;
            if (*++text == 0) break;
        }
        if (n == GROUPS) return 0;
        if (n <= GROUPS - 2 && strcspn(text, ".") < strcspn(text, ":")) {
            uint8_t v4[4];
            if (!parse_v4(text, v4)) return 0;
            groups[n++] = (uint16_t)(v4[0] << 8 | v4[1]);
            groups[n++] = (uint16_t)(v4[2] << 8 | v4[3]);
            break;
        }
        int value = 0, digits = 0;
        for (; hex(*text) >= 0; text++) {
            if (++digits > 4) return 0;
            value = value << 4 | hex(*text);
        }
        if (digits == 0) return 0;
        groups[n++] = (uint16_t)value;
        if (*text == ':') {
            if (*++text == 0) return 0;
        } else if (*text != 0) {
            return 0;
        }
    }
    if (gap < 0 ? n != GROUPS : n == GROUPS) return 0;
    for (int i = 0, from = 0; i < GROUPS; i++) {
        int in_gap = gap >= 0 && i >= gap && i < gap + GROUPS - n;
        uint16_t group = in_gap ? 0 : groups[from++];
        out[2 * i] = (uint8_t)(group >> 8);
        out[2 * i + 1] = (uint8_t)group;
    }
    return 1;
}

int inet_pton(int family, const char *restrict text, void *restrict out) {
    uint8_t bytes[16];
    if (family != AF_INET && family != AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    if (!(family == AF_INET ? parse_v4(text, bytes) : parse_v6(text, bytes))) return 0;
    memcpy(out, bytes, family == AF_INET ? 4 : 16);
    return 1;
}
