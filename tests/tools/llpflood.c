/*
 * tests/tools/llpflood.c - what a hostile neighbour does to a node, from one source address.
 *
 *   llpflood half  TARGET SOURCE COUNT     COUNT connections that say nothing, again when they are closed
 *   llpflood junk  TARGET SOURCE           connections that send random bytes, one after the other
 *   llpflood votes TARGET SOURCE ID CHAIN  a real peer of network CHAIN that sends votes as fast as it can
 *   llpflood slow  TARGET SOURCE ID CHAIN  a real peer that sends a byte of a frame from time to time
 *
 * TARGET is ADDRESS:PORT of IPv4, SOURCE an address of this host. Runs until it is killed. Prints "begun"
 * when it has connected for the first time.
 */
#include "config.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "llp/frame.h"
#include "llp/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT_MAX 4096
#define DIALS_MAX 20 /* of one round of 10 ms */

static struct sockaddr_in target, source;

static void
begun(void)
{
        static bool told;

        if (!told)
                printf("begun\n");
        (void)fflush(stdout);
        told = true;
}

static int
dial(void)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *)&source, sizeof(source)) != 0 ||
            connect(fd, (struct sockaddr *)&target, sizeof(target)) != 0) {
                if (fd >= 0)
                        (void)close(fd);
                return -1;
        }
        begun();
        return fd;
}

/* ---- strangers ------------------------------------------------------------------------------------ */

static void
half(int count)
{
        static struct pollfd fds[COUNT_MAX];

        for (int i = 0; i < count; i++)
                fds[i].fd = -1;
        for (;;) {
                int dials = 0;

                for (int i = 0; i < count && dials < DIALS_MAX; i++) {
                        if (fds[i].fd >= 0)
                                continue;
                        fds[i] = (struct pollfd){.fd = dial(), .events = POLLIN};
                        dials++;
                }
                (void)poll(NULL, 0, 10);
                if (poll(fds, (nfds_t)count, 0) <= 0)
                        continue;
                for (int i = 0; i < count; i++) {
                        if (fds[i].fd >= 0 && fds[i].revents != 0) {
                                (void)close(fds[i].fd);
                                fds[i].fd = -1;
                        }
                }
        }
}

static void
junk(void)
{
        uint8_t bytes[65536];

        for (;;) {
                int fd = dial();

                if (fd < 0) {
                        (void)poll(NULL, 0, 5);
                        continue;
                }
                lx_random(bytes, sizeof(bytes));
                bytes[0] = 0; /* looks like an act */
                while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
                        ;
                (void)close(fd);
        }
}

/* ---- peers ------------------------------------------------------------------------------------------ */

static void
on_ready(void *arg, const struct llp_hello *hello, uint64_t now_ms)
{
        (void)arg, (void)hello, (void)now_ms;
}

static enum lx_err
on_message(void *arg, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        (void)arg, (void)type, (void)bytes, (void)len, (void)now_ms;
        return LX_OK;
}

static struct llp_peer *
new_peer(const char *id, const char *chain)
{
        static uint8_t secret[32], scratch[LLP_FRAME_MAX];
        struct llp_peer_options options = {.initiator = true,
            .secret = secret,
            .has_remote = true,
            .scratch = scratch,
            .calls = {on_ready, on_message, NULL}};
        struct llp_peer *peer;
        uint8_t raw[32];

        options.hello = (struct llp_hello){.version = LLP_VERSION, .agent = "flood"};
        if (!lx_unhex(id, strlen(id), options.remote.b, 32) ||
            !lx_unhex(chain, strlen(chain), options.hello.chain_id.b, 32))
                exit(2);
        lx_random(raw, sizeof(raw));
        lx_random(options.ephemeral, sizeof(options.ephemeral));
        if (lx_ecdh_even(raw, secret) != LX_OK ||
            llp_peer_new(&options, lx_clock_now_ms(), &peer) != LX_OK)
                exit(1);
        return peer;
}

static void
put_all(int fd, const uint8_t *bytes, size_t len)
{
        while (len > 0) {
                ssize_t put = send(fd, bytes, len, MSG_NOSIGNAL);

                if (put <= 0)
                        return;
                bytes += put;
                len -= (size_t)put;
        }
}

/* One connection to its end; @votes: send votes, else dribble a frame. */
static void
be_peer(int fd, struct llp_peer *peer, bool votes)
{
        static uint8_t bytes[LLP_PEER_TURN + LLP_FRAME_WIRE_MAX];
        uint8_t vote[300] = {1};

        while (llp_peer_state(peer) != LLP_PEER_CLOSED) {
                struct pollfd ready = {.fd = fd, .events = POLLIN};
                size_t len;

                while (votes && llp_peer_has_room(peer, LLP_VOTE))
                        (void)llp_peer_send(peer, LLP_VOTE, vote, sizeof(vote));
                if (!votes && llp_peer_state(peer) == LLP_PEER_READY) {
                        (void)llp_peer_send(peer, LLP_VOTE, vote, sizeof(vote));
                        len = llp_peer_output(peer, bytes, sizeof(bytes), lx_clock_now_ms());
                        for (size_t i = 0; i < len && poll(&ready, 1, 100) == 0; i++)
                                put_all(fd, bytes + i, 1);
                        return;
                }
                len = llp_peer_output(peer, bytes, sizeof(bytes), lx_clock_now_ms());
                put_all(fd, bytes, len);
                if (poll(&ready, 1, votes ? 0 : 50) > 0) {
                        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

                        if (got <= 0)
                                return;
                        llp_peer_input(peer, bytes, (size_t)got, lx_clock_now_ms());
                }
                llp_peer_tick(peer, lx_clock_now_ms());
        }
}

static void
peers(const char *id, const char *chain, bool votes)
{
        for (;;) {
                int fd = dial();

                if (fd >= 0) {
                        struct llp_peer *peer = new_peer(id, chain);

                        be_peer(fd, peer, votes);
                        llp_peer_free(peer);
                        (void)close(fd);
                }
                (void)poll(NULL, 0, 50);
        }
}

int
main(int argc, char **argv)
{
        struct rlimit files;
        char *colon = argc > 3 ? strrchr(argv[2], ':') : NULL;
        int count = argc > 4 ? atoi(argv[4]) : 0;

        if (lx_crypto_init() != LX_OK || colon == NULL)
                return 2;
        *colon = '\0';
        target = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
        source = (struct sockaddr_in){.sin_family = AF_INET};
        if (inet_pton(AF_INET, argv[2], &target.sin_addr) != 1 ||
            inet_pton(AF_INET, argv[3], &source.sin_addr) != 1)
                return 2;
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
        if (strcmp(argv[1], "half") == 0 && count > 0 && count <= COUNT_MAX)
                half(count);
        else if (strcmp(argv[1], "junk") == 0)
                junk();
        else if (argc > 5 && (strcmp(argv[1], "votes") == 0 || strcmp(argv[1], "slow") == 0))
                peers(argv[4], argv[5], argv[1][0] == 'v');
        return 2;
}
