/*
 * lx/agent.c - the session agent: a seed in locked memory behind a socket of mode 0600.
 *
 * Question: u8 what (1 who, 2 commitment, 3 sign, 4 end), u64 sequence, 32 bytes message. Answer to
 * who: chain id, genesis, 32 bytes of name; to commitment: 32 bytes; to sign: key, signature; all in
 * 96 bytes, zero-padded. It serves one client at a time; each has two seconds.
 */
#include "config.h"
#include "lx/signer.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define QUESTION_LEN 41
#define ANSWER_LEN 96
#define CLIENT_S 2

enum { ASK_WHO = 1, ASK_COMMIT = 2, ASK_SIGN = 3, ASK_END = 4 };

static bool
move_all(int fd, uint8_t *bytes, size_t len, bool out)
{
        while (len > 0) {
                ssize_t n = out ? send(fd, bytes, len, MSG_NOSIGNAL) : recv(fd, bytes, len, 0);

                if (n <= 0)
                        return false;
                bytes += n;
                len -= (size_t)n;
        }
        return true;
}

static bool
fill_addr(struct lx *lx, struct sockaddr_un *addr)
{
        char *path = lx_path(lx, "agent.sock");
        bool fits = strlen(path) < sizeof(addr->sun_path);

        *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
        if (fits)
                memcpy(addr->sun_path, path, strlen(path));
        lx_free(path);
        return fits;
}

static int
dial(struct lx *lx)
{
        struct sockaddr_un addr;
        struct timeval tv = {.tv_sec = CLIENT_S};
        int fd;

        if (!fill_addr(lx, &addr))
                return -1;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
                (void)close(fd);
                return -1;
        }
        if (fd >= 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        return fd;
}

/* ---- the agent --------------------------------------------------------------------------------- */

static bool
answer(struct lx_signer *signer, const uint8_t *question, uint8_t out[ANSWER_LEN])
{
        uint64_t sequence = lx_get_be64(question + 1);
        struct lx_hash msg, commitment;
        struct lx_pubkey key;
        struct lx_sig sig;

        memset(out, 0, ANSWER_LEN);
        memcpy(msg.b, question + 9, LX_HASH_LEN);
        switch (question[0]) {
        case ASK_WHO:
                memcpy(out, signer->chain_id.b, LX_HASH_LEN);
                memcpy(out + 32, signer->genesis.b, LX_HASH_LEN);
                memcpy(out + 64, signer->name, strnlen(signer->name, 32));
                return true;
        case ASK_COMMIT:
                if (lx_signer_commit(signer, sequence, &commitment, NULL) != LX_OK)
                        return false;
                memcpy(out, commitment.b, LX_HASH_LEN);
                return true;
        case ASK_SIGN:
                if (lx_signer_sign(signer, sequence, &msg, &key, &sig, NULL) != LX_OK)
                        return false;
                memcpy(out, key.b, LX_PUBKEY_LEN);
                memcpy(out + 32, sig.b, LX_SIG_LEN);
                return true;
        default:
                return false;
        }
}

/* Serve one client; false: it asked for the end. */
static bool
serve_client(struct lx_signer *signer, int fd)
{
        struct timeval tv = {.tv_sec = CLIENT_S};
        uint8_t question[QUESTION_LEN], out[ANSWER_LEN];

        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        while (move_all(fd, question, sizeof(question), false)) {
                if (question[0] == ASK_END)
                        return false;
                if (!answer(signer, question, out) || !move_all(fd, out, sizeof(out), true))
                        break;
        }
        return true;
}

/* The next session's socket may stand at @path already: only @own goes. */
static void
remove_own(const char *path, const struct stat *own)
{
        struct stat st;

        if (lstat(path, &st) == 0 && st.st_dev == own->st_dev && st.st_ino == own->st_ino)
                (void)unlink(path);
}

static void
run_agent(struct lx_signer *signer, int listener, const char *path, const struct stat *own, unsigned timeout_s)
{
        struct pollfd wait = {.fd = listener, .events = POLLIN};
        bool more = true;

        while (more && poll(&wait, 1, (int)timeout_s * 1000) > 0) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                if (fd < 0)
                        continue;
                more = serve_client(signer, fd);
                if (!more)
                        remove_own(path, own); /* before the answer, which a new session waits for */
                (void)close(fd);
        }
        if (more)
                remove_own(path, own);
        lx_signer_clear(signer);
}

/* Detached from the terminal, without core files, unreadable to a debugger of the same user. */
static void
become_agent(void)
{
        int null = open("/dev/null", O_RDWR);

        (void)setsid();
        (void)signal(SIGHUP, SIG_IGN);
        lx_guard_secrets();
        (void)prctl(PR_SET_NAME, "lx-agent", 0, 0, 0);
        if (null >= 0) {
                (void)dup2(null, 0);
                (void)dup2(null, 1);
                (void)dup2(null, 2);
        }
        (void)!chdir("/");
}

/* The child; tells on @ready when it is detached and has the seed in locked memory of its own. */
static void
live_as_agent(struct lx_signer *signer, int listener, const char *path, unsigned timeout_s, int ready)
{
        struct lx_signer copy = {.genesis = signer->genesis, .chain_id = signer->chain_id, .agent = -1};
        struct stat own;

        if (lstat(path, &own) != 0)
                return;
        become_agent();
        (void)snprintf(copy.name, sizeof(copy.name), "%s", signer->name);
        /* Locked memory is not inherited locked: the seed moves into the child's own. */
        if (lx_secret_init(&copy.seed, signer->seed.len) != LX_OK)
                return;
        memcpy(copy.seed.p, signer->seed.p, signer->seed.len);
        lx_signer_clear(signer);
        if (write(ready, "", 1) != 1)
                return;
        (void)close(ready);
        run_agent(&copy, listener, path, &own, timeout_s);
}

/* The parent waits: a terminal that closes right afterwards must not take the agent with it. */
static enum lx_err
fork_agent(struct lx_signer *signer, int listener, const char *path, unsigned timeout_s)
{
        int ready[2];
        ssize_t told;
        pid_t pid;
        char byte;

        if (pipe2(ready, O_CLOEXEC) != 0)
                return LX_ERR_IO;
        (void)fflush(NULL);
        pid = fork();
        if (pid == 0) {
                (void)close(ready[0]);
                live_as_agent(signer, listener, path, timeout_s, ready[1]);
                _exit(0);
        }
        (void)close(ready[1]);
        told = pid > 0 ? read(ready[0], &byte, 1) : 0;
        (void)close(ready[0]);
        return told == 1 ? LX_OK : LX_ERR_IO;
}

enum lx_err
lx_agent_start(struct lx *lx, struct lx_signer *signer, unsigned timeout_s)
{
        struct sockaddr_un addr;
        mode_t mask;
        int fd;
        enum lx_err err;

        err = lx_agent_stop(lx);
        if ((err != LX_OK && err != LX_ERR_ABSENT) || !fill_addr(lx, &addr)) {
                lx_why_set(&lx->why, "the session socket cannot be made: use a shorter --datadir");
                return LX_ERR_IO;
        }
        (void)unlink(addr.sun_path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        mask = umask(0177);
        if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 8) != 0) {
                lx_why_set(&lx->why, "cannot make %s: %s", addr.sun_path, strerror(errno));
                (void)umask(mask);
                if (fd >= 0)
                        (void)close(fd);
                return LX_ERR_IO;
        }
        (void)umask(mask);
        err = fork_agent(signer, fd, addr.sun_path, timeout_s);
        (void)close(fd);
        if (err != LX_OK) {
                lx_why_set(&lx->why, "the session could not be started: %s", lx_err_text(err));
                (void)unlink(addr.sun_path);
        }
        return err;
}

/* ---- asking ------------------------------------------------------------------------------------ */

enum lx_err
lx_agent_ask(struct lx_signer *signer, uint8_t what, uint64_t sequence, const struct lx_hash *msg,
    uint8_t out[96], struct lx_why *why)
{
        uint8_t question[QUESTION_LEN] = {what};

        lx_put_be64(question + 1, sequence);
        if (msg != NULL)
                memcpy(question + 9, msg->b, LX_HASH_LEN);
        if (move_all(signer->agent, question, sizeof(question), true) &&
            move_all(signer->agent, out, ANSWER_LEN, false))
                return LX_OK;
        lx_why_set(why, "the session has ended: lx login again");
        return LX_ERR_ABSENT;
}

enum lx_err
lx_agent_connect(struct lx *lx, struct lx_signer *out_signer)
{
        uint8_t who[ANSWER_LEN];
        enum lx_err err;

        out_signer->agent = dial(lx);
        if (out_signer->agent < 0)
                return LX_ERR_ABSENT;
        err = lx_agent_ask(out_signer, ASK_WHO, 0, NULL, who, &lx->why);
        if (err != LX_OK)
                return err;
        memcpy(out_signer->chain_id.b, who, LX_HASH_LEN);
        memcpy(out_signer->genesis.b, who + 32, LX_HASH_LEN);
        memcpy(out_signer->name, who + 64, 32);
        return LX_OK;
}

enum lx_err
lx_agent_stop(struct lx *lx)
{
        uint8_t question[QUESTION_LEN] = {ASK_END}, end;
        int fd = dial(lx);

        if (fd < 0)
                return LX_ERR_ABSENT;
        /* The agent closes when it has understood. */
        if (move_all(fd, question, sizeof(question), true))
                (void)!recv(fd, &end, 1, 0);
        (void)close(fd);
        return LX_OK;
}
