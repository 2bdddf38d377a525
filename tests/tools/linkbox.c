/*
 * linkbox - a box of bad links: an IP hub whose ports are TUN devices in network namespaces.
 *
 * Packets from one port go to the port whose prefix holds their destination, with the delay, loss,
 * rate and cuts of that pair of ports. This kernel has no netem; tests of the network and the overlay
 * stand on this. A port: NAME:NETNS:IFNAME:PREFIX[,PREFIX...]; NETNS "-" is the current one. The device is
 * made and set up; the caller gives it its addresses. When all devices are there "ready" is printed.
 *
 * Commands, one a line, on standard input or each as one datagram to the unix socket --control:
 *   link A B [delay MS] [jitter MS] [loss PERCENT] [rate BIT/S] [queue BYTES]   both ways; "*" is every port
 *   cut A B | heal A B         stop and resume (what is under way is lost)
 *   stat                       prints per pair: packets, bytes, dropped
 *   quit
 * Threads: one. Randomness: --seed N.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 64
#define PREFIXES_MAX 8
#define PACKET_MAX 65536
#define QUEUE_DEFAULT (256u * 1024) /* bytes that wait for a slow link */
#define BATCH 64                    /* packets read from a port at a turn */

struct prefix {
        int family;
        uint8_t addr[16];
        unsigned bits;
};

struct port {
        char name[32];
        int fd;
        size_t prefix_count;
        struct prefix prefix[PREFIXES_MAX];
};

/* One direction of a pair. */
struct direction {
        uint64_t delay_ns, jitter_ns;
        uint32_t loss_ppm;
        uint64_t rate_bps;   /* 0: no limit */
        uint64_t queue_max;  /* bytes that may wait for the rate */
        bool cut;
        uint64_t life;       /* packets of an older life are lost */
        uint64_t free_ns;    /* when the link has sent what waits */
        uint64_t packets, bytes, dropped;
};

struct packet {
        uint64_t at_ns, order, life;
        size_t from, to;
        size_t len;
        uint8_t *bytes;
};

struct box {
        size_t port_count;
        struct port port[PORTS_MAX];
        struct direction dir[PORTS_MAX][PORTS_MAX];
        struct packet *heap;
        size_t count, cap;
        uint64_t order, random;
        int control;
        bool quit;
};

static uint64_t
now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t
random_below(struct box *box, uint64_t n)
{
        uint64_t z = box->random += 0x9e3779b97f4a7c15u;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return n > 0 ? (z ^ z >> 31) % n : 0;
}

static void
die(const char *what, const char *name)
{
        (void)fprintf(stderr, "linkbox: %s %s: %s\n", what, name, strerror(errno));
        exit(1);
}

/* ---- ports ------------------------------------------------------------------------------------- */

static void
parse_prefix(struct port *port, char *text)
{
        struct prefix *p = &port->prefix[port->prefix_count++];
        char *slash = strchr(text, '/');

        if (slash != NULL)
                *slash = '\0';
        p->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
        p->bits = slash != NULL ? (unsigned)strtoul(slash + 1, NULL, 10) : p->family == AF_INET ? 32 : 128;
        if (port->prefix_count > PREFIXES_MAX - 1 || inet_pton(p->family, text, p->addr) != 1) {
                (void)fprintf(stderr, "linkbox: bad prefix %s\n", text);
                exit(2);
        }
}

static void
enter_netns(const char *name)
{
        char path[256];
        int fd;

        (void)snprintf(path, sizeof(path), "/run/netns/%s", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
                die("network namespace", name);
        (void)close(fd);
}

static int
open_tun(const char *ifname)
{
        struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI};
        int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", ifname);
        if (fd < 0 || ioctl(fd, TUNSETIFF, &req) != 0)
                die("device", ifname);
        if (sock < 0 || ioctl(sock, SIOCGIFFLAGS, &req) != 0)
                die("flags of", ifname);
        req.ifr_flags |= IFF_UP;
        if (ioctl(sock, SIOCSIFFLAGS, &req) != 0)
                die("setting up", ifname);
        (void)close(sock);
        return fd;
}

/* NAME:NETNS:IFNAME:PREFIX,PREFIX (an IPv6 prefix has colons of its own: only three are cut). */
static void
open_port(struct box *box, char *spec, int home)
{
        struct port *port = &box->port[box->port_count++];
        char *name = strsep(&spec, ":"), *netns = strsep(&spec, ":"), *ifname = strsep(&spec, ":"), *p;

        if (box->port_count > PORTS_MAX - 1 || spec == NULL) {
                (void)fprintf(stderr, "linkbox: a port is NAME:NETNS:IFNAME:PREFIX[,PREFIX...]\n");
                exit(2);
        }
        (void)snprintf(port->name, sizeof(port->name), "%s", name);
        while ((p = strsep(&spec, ",")) != NULL)
                parse_prefix(port, p);
        if (strcmp(netns, "-") != 0)
                enter_netns(netns);
        port->fd = open_tun(ifname);
        if (setns(home, CLONE_NEWNET) != 0)
                die("network namespace", "home");
}

static bool
is_in(const struct prefix *p, const uint8_t *addr)
{
        unsigned whole = p->bits / 8, rest = p->bits % 8;

        return memcmp(p->addr, addr, whole) == 0 &&
            (rest == 0 || ((p->addr[whole] ^ addr[whole]) >> (8 - rest)) == 0);
}

/* The port with the longest prefix of the packet's destination; PORTS_MAX: none. */
static size_t
find_port(const struct box *box, const uint8_t *packet, size_t len)
{
        int family = len >= 20 && packet[0] >> 4 == 4 ? AF_INET : AF_INET6;
        const uint8_t *addr = packet + (family == AF_INET ? 16 : 24);
        size_t found = PORTS_MAX;
        unsigned bits = 0;

        if (len < 20 || (family == AF_INET6 && (len < 40 || packet[0] >> 4 != 6)))
                return PORTS_MAX;
        for (size_t i = 0; i < box->port_count; i++)
                for (size_t k = 0; k < box->port[i].prefix_count; k++) {
                        const struct prefix *p = &box->port[i].prefix[k];

                        if (p->family == family && p->bits + 1 > bits && is_in(p, addr)) {
                                found = i;
                                bits = p->bits + 1;
                        }
                }
        return found;
}

/* ---- packets under way: a heap by time ---------------------------------------------------------- */

static bool
is_before(const struct packet *a, const struct packet *b)
{
        return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void
swap(struct packet *a, struct packet *b)
{
        struct packet t = *a;

        *a = *b;
        *b = t;
}

static void
push(struct box *box, struct packet packet)
{
        size_t i = box->count++;

        if (box->count > box->cap) {
                box->cap = 2 * box->cap + 256;
                box->heap = realloc(box->heap, box->cap * sizeof(*box->heap));
                if (box->heap == NULL)
                        die("memory", "");
        }
        packet.order = box->order++;
        box->heap[i] = packet;
        for (; i > 0 && is_before(&box->heap[i], &box->heap[(i - 1) / 2]); i = (i - 1) / 2)
                swap(&box->heap[i], &box->heap[(i - 1) / 2]);
}

static struct packet
pop(struct box *box)
{
        struct packet first = box->heap[0];
        size_t i = 0;

        box->heap[0] = box->heap[--box->count];
        for (;;) {
                size_t least = i;

                for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < box->count; c++)
                        if (is_before(&box->heap[c], &box->heap[least]))
                                least = c;
                if (least == i)
                        return first;
                swap(&box->heap[i], &box->heap[least]);
                i = least;
        }
}

static void
accept_packet(struct box *box, size_t from, const uint8_t *bytes, size_t len, uint64_t now)
{
        size_t to = find_port(box, bytes, len);
        struct direction *d = to < PORTS_MAX ? &box->dir[from][to] : NULL;
        struct packet packet = {.from = from, .to = to, .len = len};
        uint64_t start, spent;

        if (d == NULL)
                return;
        start = d->free_ns > now ? d->free_ns : now;
        spent = d->rate_bps > 0 ? len * 8 * 1000000000u / d->rate_bps : 0;
        if (d->cut || random_below(box, 1000000) < d->loss_ppm ||
            (d->rate_bps > 0 && (start - now) / 1000 * (d->rate_bps / 8) / 1000000 > d->queue_max)) {
                d->dropped++;
                return;
        }
        d->free_ns = start + spent;
        packet.life = d->life;
        packet.at_ns = start + spent + d->delay_ns + random_below(box, d->jitter_ns + 1);
        packet.bytes = malloc(len);
        if (packet.bytes == NULL)
                die("memory", "");
        memcpy(packet.bytes, bytes, len);
        push(box, packet);
}

static void
deliver_due(struct box *box, uint64_t now)
{
        while (box->count > 0 && box->heap[0].at_ns <= now) {
                struct packet packet = pop(box);
                struct direction *d = &box->dir[packet.from][packet.to];

                if (d->cut || d->life != packet.life ||
                    write(box->port[packet.to].fd, packet.bytes, packet.len) < 0) {
                        d->dropped++;
                } else {
                        d->packets++;
                        d->bytes += packet.len;
                }
                free(packet.bytes);
        }
}

/* ---- commands ---------------------------------------------------------------------------------- */

static bool
is_named(const struct box *box, size_t i, const char *name)
{
        return name != NULL && (strcmp(name, "*") == 0 || strcmp(box->port[i].name, name) == 0);
}

static void
set_direction(struct direction *d, char *settings)
{
        char *save = NULL, *word = strtok_r(settings, " \n", &save), *value;

        for (; word != NULL && (value = strtok_r(NULL, " \n", &save)) != NULL;
            word = strtok_r(NULL, " \n", &save)) {
                double number = strtod(value, NULL);

                if (strcmp(word, "delay") == 0)
                        d->delay_ns = (uint64_t)(number * 1e6);
                else if (strcmp(word, "jitter") == 0)
                        d->jitter_ns = (uint64_t)(number * 1e6);
                else if (strcmp(word, "loss") == 0)
                        d->loss_ppm = (uint32_t)(number * 1e4);
                else if (strcmp(word, "rate") == 0)
                        d->rate_bps = (uint64_t)number;
                else if (strcmp(word, "queue") == 0)
                        d->queue_max = (uint64_t)number;
                else
                        (void)fprintf(stderr, "linkbox: unknown setting %s\n", word);
        }
}

static void
show(const struct box *box)
{
        for (size_t a = 0; a < box->port_count; a++)
                for (size_t b = 0; b < box->port_count; b++)
                        if (a != b)
                                printf("%s %s packets %llu bytes %llu dropped %llu\n", box->port[a].name,
                                    box->port[b].name, (unsigned long long)box->dir[a][b].packets,
                                    (unsigned long long)box->dir[a][b].bytes,
                                    (unsigned long long)box->dir[a][b].dropped);
        (void)fflush(stdout);
}

static void
obey_pair(struct box *box, size_t a, size_t b, const char *verb, const char *settings)
{
        struct direction *d = &box->dir[a][b];
        char copy[256];

        if (strcmp(verb, "link") == 0) {
                (void)snprintf(copy, sizeof(copy), "%s", settings != NULL ? settings : "");
                set_direction(d, copy);
        } else {
                d->cut = strcmp(verb, "cut") == 0;
                d->life++;
                d->free_ns = 0;
        }
}

static void
obey(struct box *box, char *line)
{
        char *rest = line, *verb = strsep(&rest, " \n"), *a = NULL, *b = NULL;

        if (strcmp(verb, "quit") == 0) {
                box->quit = true;
        } else if (strcmp(verb, "stat") == 0) {
                show(box);
        } else if (strcmp(verb, "link") == 0 || strcmp(verb, "cut") == 0 || strcmp(verb, "heal") == 0) {
                a = strsep(&rest, " \n");
                b = strsep(&rest, " \n");
                for (size_t i = 0; i < box->port_count; i++)
                        for (size_t k = 0; k < box->port_count; k++)
                                if (i != k && ((is_named(box, i, a) && is_named(box, k, b)) ||
                                                  (is_named(box, i, b) && is_named(box, k, a))))
                                        obey_pair(box, i, k, verb, rest);
        } else if (verb[0] != '\0') {
                (void)fprintf(stderr, "linkbox: unknown command %s\n", verb);
        }
}

static void
read_commands(struct box *box, int fd)
{
        static char text[4096];
        ssize_t len = read(fd, text, sizeof(text) - 1);
        char *rest = text, *line;

        if (len <= 0) {
                box->quit = box->quit || (fd == 0 && len == 0 && box->control < 0);
                return;
        }
        text[len] = '\0';
        while ((line = strsep(&rest, "\n")) != NULL)
                obey(box, line);
}

static int
open_control(const char *path)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
        (void)unlink(path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
                die("control socket", path);
        return fd;
}

/* ---- the loop ---------------------------------------------------------------------------------- */

static void
read_port(struct box *box, size_t i)
{
        static uint8_t bytes[PACKET_MAX];
        ssize_t len;

        for (int k = 0; k < BATCH && (len = read(box->port[i].fd, bytes, sizeof(bytes))) > 0; k++)
                accept_packet(box, i, bytes, (size_t)len, now_ns());
}

static void
turn(struct box *box)
{
        struct pollfd fds[PORTS_MAX + 1];
        struct timespec wait = {.tv_sec = 1}, *until = NULL;
        uint64_t now = now_ns();

        for (size_t i = 0; i < box->port_count; i++)
                fds[i] = (struct pollfd){.fd = box->port[i].fd, .events = POLLIN};
        fds[box->port_count] =
            (struct pollfd){.fd = box->control >= 0 ? box->control : 0, .events = POLLIN};
        if (box->count > 0) {
                uint64_t at = box->heap[0].at_ns, left = at > now ? at - now : 0;

                wait.tv_sec = (time_t)(left / 1000000000u);
                wait.tv_nsec = (long)(left % 1000000000u);
                until = &wait;
        }
        if (ppoll(fds, box->port_count + 1, until, NULL) < 0 && errno != EINTR)
                die("poll", "");
        for (size_t i = 0; i < box->port_count; i++)
                if (fds[i].revents != 0)
                        read_port(box, i);
        deliver_due(box, now_ns());
        if (fds[box->port_count].revents != 0)
                read_commands(box, fds[box->port_count].fd);
}

int
main(int argc, char **argv)
{
        static struct box box = {.control = -1, .random = 1};
        int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), i = 1;

        for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
                if (strcmp(argv[i], "--control") == 0)
                        box.control = open_control(argv[i + 1]);
                else if (strcmp(argv[i], "--seed") == 0)
                        box.random = strtoull(argv[i + 1], NULL, 10);
                else
                        break;
        }
        if (i >= argc || home < 0 || strncmp(argv[i], "--", 2) == 0) {
                (void)fprintf(stderr, "Usage: linkbox [--control SOCKET] [--seed N] "
                    "NAME:NETNS:IFNAME:PREFIX[,PREFIX...]...\n");
                return 2;
        }
        for (int k = i; k < argc; k++)
                open_port(&box, argv[k], home);
        for (size_t a = 0; a < box.port_count; a++)
                for (size_t b = 0; b < box.port_count; b++)
                        box.dir[a][b].queue_max = QUEUE_DEFAULT;
        printf("ready\n");
        (void)fflush(stdout);
        while (!box.quit)
                turn(&box);
        return 0;
}
