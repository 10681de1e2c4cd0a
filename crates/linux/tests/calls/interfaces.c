#include "call.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
// What sockets are asked of the loopback, and what is told with datagrams that come there.
static struct ifreq named(const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    return request;
}
static unsigned ip(struct sockaddr *address) { return ntohl(((struct sockaddr_in *)address)->sin_addr.s_addr); }
static void ask(int fd) {
    struct ifreq lo = named("lo");
    CASE(ioctl, "index", fd, SIOCGIFINDEX, &lo);
    SEEN(ioctl, "index_is", lo.ifr_ifindex);
    struct ifreq numbered = {0};
    numbered.ifr_ifindex = 1;
    CASE(ioctl, "name", fd, SIOCGIFNAME, &numbered);
    SEEN(ioctl, "name_is", !strcmp(numbered.ifr_name, "lo"));
    numbered.ifr_ifindex = 4711;
    CASE(ioctl, "name_of_none", fd, SIOCGIFNAME, &numbered);
    CASE(ioctl, "name_fault", fd, SIOCGIFNAME, BAD);
    struct ifreq none = named("none0");
    CASE(ioctl, "index_of_none", fd, SIOCGIFINDEX, &none);
    CASE(ioctl, "address_of_none", fd, SIOCGIFADDR, &none);
    lo = named("lo");
    CASE(ioctl, "flags", fd, SIOCGIFFLAGS, &lo);
    SEEN(ioctl, "flags_are", lo.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_BROADCAST));
    CASE(ioctl, "address", fd, SIOCGIFADDR, &lo);
    SEEN(ioctl, "address_is", ip(&lo.ifr_addr));
    CASE(ioctl, "mask", fd, SIOCGIFNETMASK, &lo);
    SEEN(ioctl, "mask_is", ip(&lo.ifr_addr));
    CASE(ioctl, "everybody", fd, SIOCGIFBRDADDR, &lo);
    SEEN(ioctl, "everybody_is", ip(&lo.ifr_addr));
    lo = named("lo");
    CASE(ioctl, "packet", fd, SIOCGIFMTU, &lo);
    SEEN(ioctl, "packet_is", lo.ifr_mtu);
    CASE(ioctl, "hardware", fd, SIOCGIFHWADDR, &lo);
    SEEN(ioctl, "hardware_is", lo.ifr_hwaddr.sa_family);
    CASE(ioctl, "metric", fd, SIOCGIFMETRIC, &lo);
    CASE(ioctl, "queue", fd, SIOCGIFTXQLEN, &lo);
    SEEN(ioctl, "queue_is", lo.ifr_qlen);
    struct ifreq all[8];
    struct ifconf list = {sizeof all, {(char *)all}};
    CASE(ioctl, "list", fd, SIOCGIFCONF, &list);
    SEEN(ioctl, "list_first", !strcmp(all[0].ifr_name, "lo") && ip(&all[0].ifr_addr) == INADDR_LOOPBACK);
    list.ifc_len = sizeof all[0];
    CASE(ioctl, "list_short", fd, SIOCGIFCONF, &list);
    SEEN(ioctl, "list_short_length", list.ifc_len);
    CASE(ioctl, "list_fault", fd, SIOCGIFCONF, BAD);
}
// Prints what was told with the next datagram.
static void told(const char *what, int fd, void *room, size_t len) {
    char data[8];
    struct iovec part = {data, sizeof data};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = len};
    long done = result(syscall(SYS_recvmsg, fd, &message, 0));
    printf("recvmsg.%s_told %ld %d %d", what, done, (int)message.msg_controllen, message.msg_flags & MSG_CTRUNC);
    for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
        int is_time = one->cmsg_level == SOL_SOCKET;
        printf(" %d:%d:%d", one->cmsg_level, one->cmsg_type, (int)one->cmsg_len);
        for (size_t i = 0; !is_time && i < one->cmsg_len - CMSG_LEN(0) && i < 24; i++) printf("%c%d", i ? '.' : '=', CMSG_DATA(one)[i]);
    }
    puts("");
}
static void tell(int domain, int level, const int *options) {
    char room[256], prefix[32];
    int fd = socket(domain, SOCK_DGRAM, 0), one = 1;
    struct sockaddr_storage own = {domain};
    socklen_t len = domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (domain == AF_INET) ((struct sockaddr_in *)&own)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else ((struct sockaddr_in6 *)&own)->sin6_addr = in6addr_loopback;
    bind(fd, (struct sockaddr *)&own, len);
    getsockname(fd, (struct sockaddr *)&own, &len);
    for (const int *option = options; *option; option++) {
        int level_ = *option == SO_TIMESTAMPNS ? SOL_SOCKET : level;
        setsockopt(fd, level_, *option, &one, sizeof one);
        sendto(fd, "x", 1, 0, (struct sockaddr *)&own, len);
        snprintf(prefix, sizeof prefix, "%d_%d", domain, *option);
        told(prefix, fd, room, sizeof room);
    }
    for (size_t space = 0; space < 64; space += 12) {
        sendto(fd, "x", 1, 0, (struct sockaddr *)&own, len);
        snprintf(prefix, sizeof prefix, "%d_room_%zu", domain, space);
        told(prefix, fd, room, space);
    }
}
int main(void) {
    ordinary();
    put("plain", "x");
    ask(socket(AF_INET, SOCK_DGRAM, 0));
    struct ifreq lo = named("lo");
    CASE(ioctl, "index_by_stream", socket(AF_INET6, SOCK_STREAM, 0), SIOCGIFINDEX, &lo);
    CASE(ioctl, "index_by_unix", socket(AF_UNIX, SOCK_STREAM, 0), SIOCGIFINDEX, &lo);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    CASE(ioctl, "index_by_pair", pair[0], SIOCGIFINDEX, &lo);
    CASE(ioctl, "index_by_file", open("plain", O_RDWR), SIOCGIFINDEX, &lo);
    CASE(ioctl, "index_by_none", SHUT, SIOCGIFINDEX, &lo);
    tell(AF_INET, IPPROTO_IP, (int[]){IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, SO_TIMESTAMPNS, 0});
    tell(AF_INET6, IPPROTO_IPV6, (int[]){IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, 0});
    return 0;
}
