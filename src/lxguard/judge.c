/* lxguard/judge.c - one event: what is opened, by whom, and whether it may become code. */
#include "config.h"
#include "lxguard/gate_int.h"

#include "base/clock.h"
#include "guard/code.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Types by magic number (statfs(2)); what is not here is called by nobody's policy. */
static const struct {
        unsigned long magic;
        const char *name;
} FS_TYPES[] = {{0xef53, "ext4"}, {0x01021994, "tmpfs"}, {0x794c7630, "overlay"}, {0x9123683e, "btrfs"},
    {0x58465342, "xfs"}, {0x65735546, "fuse"}, {0x6969, "nfs"}, {0xff534d42, "cifs"}, {0xfe534d42, "smb2"},
    {0x01021997, "9p"}, {0x73717368, "squashfs"}, {0xe0f5e1e2, "erofs"}, {0x9660, "iso9660"}, {0x4d44, "vfat"},
    {0x858458f6, "ramfs"}, {0x2fc12fc1, "zfs"}, {0xf2f52010, "f2fs"}};

const char *
fs_type(int fd)
{
        struct statfs st;

        if (fstatfs(fd, &st) != 0)
                return "";
        for (size_t i = 0; i < sizeof(FS_TYPES) / sizeof(FS_TYPES[0]); i++)
                if (FS_TYPES[i].magic == (unsigned long)(uint32_t)st.f_type)
                        return FS_TYPES[i].name;
        return "other";
}

struct guard_answer
judge_content(struct lxguard *g, const struct rules *rules, int fd, const char *path, const char *fs,
    bool writable, uint64_t deadline_ns, struct lx_hash *out_root, uint64_t *out_size)
{
        struct guard_ask ask = {.path = path, .fs = fs, .writable = writable};
        enum lx_err err = writable ? LX_OK : hash_fd(fd, deadline_ns, &ask.root, &ask.size, NULL);

        if (err != LX_OK)
                return (struct guard_answer){
                    .rule = err == LX_ERR_TIMEOUT ? GUARD_RULE_TIMEOUT : GUARD_RULE_ERROR};
        ask.self = lx_hash_eq(&ask.root, &g->self);
        ask.wall_ms = lx_clock_walltime().ms;
        ask.ledger_ms = atomic_load(&g->ledger_ms);
        ask.age_ms = rules_age_ms(g);
        *out_root = ask.root;
        *out_size = ask.size;
        if (g->gate != NULL && !writable)
                atomic_fetch_add(&g->gate->hashed, 1);
        return guard_decide(rules->policy, rules->list, &ask);
}

/* What is known of the event at hand. */
struct scene {
        struct lxguard *g;
        const struct rules *rules;
        struct job *job;
        struct stat st;
        char path[4096];
        const char *fs;
        struct lx_hash root;
        uint64_t size;
        const struct guard_release *release;
        struct opener opener;
        bool have_opener, hashed, alert;
};

static const struct opener *
opener(struct scene *s)
{
        if (!s->have_opener)
                opener_of(s->g, s->rules, s->job->tid, &s->opener);
        s->have_opener = true;
        return &s->opener;
}

static void
find_path(struct scene *s)
{
        char link[40];
        ssize_t n;

        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", s->job->fd);
        n = readlink(link, s->path, sizeof(s->path) - 1);
        s->path[n > 0 ? n : 0] = '\0';
}

/* Something is denied to a reader of files: perhaps it does not want to run it. */
static enum guard_rule
excuse(struct scene *s, enum guard_rule rule)
{
        const struct named_program *p;

        if (s->job->exec)
                return rule;
        if (opener_writes(s->job->tid))
                return GUARD_RULE_WRITER;
        p = opener(s)->program;
        if (p != NULL && p->interpreter == NULL && !(opener(s)->judged && guard_rule_denies(opener(s)->rule)) &&
            opener_is_clean(s->job->tid))
                return GUARD_RULE_READER;
        return rule;
}

/* A verdict on content may stand as long as the lease: not when it depends on a date or on who asks. */
static bool
may_stand(enum guard_rule rule, enum guard_mode mode)
{
        if (rule == GUARD_RULE_RELEASE || rule == GUARD_RULE_APPROVAL || rule == GUARD_RULE_SELF)
                return true;
        return mode == GUARD_AUDIT && (rule == GUARD_RULE_UNKNOWN || rule == GUARD_RULE_REVOKED);
}

static bool
hold(struct scene *s, enum guard_rule rule)
{
        struct guard_inode item = {.dev = (uint64_t)s->st.st_dev, .ino = (uint64_t)s->st.st_ino,
            .fd = s->job->fd, .root = s->root, .size = s->size, .rule = rule, .exec = s->job->exec};

        (void)snprintf(item.path, sizeof(item.path), "%.255s", s->path);
        (void)snprintf(item.fs, sizeof(item.fs), "%.15s", s->fs);
        return lease_hold(s->g, &item);
}

/* Overlayfs: a lease on its file does not cover writes to the layers below. */
static bool
lease_covers(const char *fs)
{
        return strcmp(fs, "overlay") != 0 && strcmp(fs, "fuse") != 0 && strcmp(fs, "nfs") != 0;
}

static bool
is_readonly(int fd)
{
        struct statvfs st;

        return fstatvfs(fd, &st) == 0 && (st.f_flag & ST_RDONLY) != 0;
}

/* Hash under a lease, decide, and let the lease stand where the verdict may. */
static enum guard_rule
judge_code(struct scene *s, enum judge_fd *out_fd)
{
        uint64_t deadline = s->job->start_ns + s->rules->policy->verdict_ms * 1000000ull;
        enum lx_err lease = lease_take(s->job->fd);
        struct guard_answer answer;
        bool writable = lease == LX_ERR_BUSY;

        s->fs = fs_type(s->job->fd);
        if (s->path[0] == '\0')
                find_path(s);
        answer = judge_content(s->g, s->rules, s->job->fd, s->path, s->fs, writable, deadline, &s->root, &s->size);
        s->hashed = !writable;
        s->alert = answer.alert;
        if (answer.entry != NULL)
                s->release = guard_list_release(s->rules->list, answer.entry);
        /* No leases on this file system: writers cannot be seen. */
        if (lease == LX_ERR_IO && !guard_rule_denies(answer.rule) && lease_covers(s->fs) && !is_readonly(s->job->fd))
                answer.rule = GUARD_RULE_WRITABLE;
        if (guard_rule_denies(answer.rule))
                answer.rule = excuse(s, answer.rule);
        if (answer.rule == GUARD_RULE_RELEASE || answer.rule == GUARD_RULE_APPROVAL)
                gate_remember(s->g, s->st.st_dev, s->st.st_ino, &s->root);
        if (lease != LX_OK)
                return answer.rule;
        if (lease_covers(s->fs) && may_stand(answer.rule, (enum guard_mode)atomic_load(&s->g->mode)) &&
            hold(s, answer.rule))
                *out_fd = JUDGE_HELD;
        else if (!guard_rule_denies(answer.rule) && s->job->exec)
                *out_fd = JUDGE_LIMBO; /* what was judged must still be there when it is executed */
        else
                lease_release(s->job->fd);
        return answer.rule;
}

/* A file that is no program by itself: still code to an interpreter; and who opens it must be approved. */
static enum guard_rule
judge_data(struct scene *s, enum judge_fd *out_fd)
{
        const struct opener *o;
        bool code = false;

        o = opener(s);
        if (o->known && o->judged && guard_rule_denies(o->rule))
                return GUARD_RULE_PROCESS;
        if (o->program == NULL || o->program->interpreter == NULL)
                return GUARD_RULE_DATA;
        find_path(s);
        if (opener_interprets(o->program->interpreter, s->job->tid, s->path, s->st.st_dev, s->st.st_ino, &code) !=
            LX_OK)
                return GUARD_RULE_INLINE;
        if (!code)
                return GUARD_RULE_DATA;
        return judge_code(s, out_fd);
}

/* An answer that is already known for this very file, its lease intact. */
static bool
recall(struct scene *s, enum guard_rule *out_rule)
{
        struct gate *gate = s->g->gate;
        struct guard_inode *item;
        bool found;

        (void)pthread_mutex_lock(&gate->lock);
        item = guard_inodes_find(gate->inodes, (uint64_t)s->st.st_dev, (uint64_t)s->st.st_ino);
        found = item != NULL && lease_stands(item->fd);
        if (found)
                *out_rule = item->rule;
        (void)pthread_mutex_unlock(&gate->lock);
        return found;
}

/* A loader or interpreter that may not open a file goes on without it, so it ends here. While it has no answer it
 * stands in open(): the number is still its own. */
static void
end_opener(struct gate *gate, const struct job *job)
{
        (void)pthread_mutex_lock(&gate->job_lock);
        if (!job->answered)
                (void)kill(job->tid, SIGKILL);
        (void)pthread_mutex_unlock(&gate->job_lock);
}

static void
tell(struct scene *s, enum guard_rule rule)
{
        bool denies = guard_rule_denies(rule), enforce = atomic_load(&s->g->mode) == GUARD_ENFORCE;
        struct event e = {.rule = guard_rule_name(rule), .pid = s->job->tid, .detail = "",
            .digest = s->hashed ? &s->root : NULL, .release = s->release};
        char exe[256];

        if (!denies && !s->alert)
                return;
        if (s->path[0] == '\0')
                find_path(s);
        proc_link(s->job->tid, "exe", exe, sizeof(exe));
        e.kind = s->alert ? "alert" : enforce ? "denied" : "would-deny";
        e.path = s->path;
        e.exe = exe;
        if (s->job->exec)
                e.detail = "exec";
        event_note(s->g, &e);
        if ((rule == GUARD_RULE_PROCESS || rule == GUARD_RULE_INLINE) && enforce &&
            s->rules->policy->process == GUARD_PROCESS_KILL)
                end_opener(s->g->gate, s->job);
}

/* A protected file that is not as registered: those who archive and register files may read it. False: it is none. */
static bool
judge_protected(struct scene *s, enum guard_rule *out_rule)
{
        struct gate *gate = s->g->gate;
        const struct opener *o;
        bool denied;

        if (atomic_load(&gate->shut_count) == 0)
                return false;
        (void)pthread_mutex_lock(&gate->lock);
        denied = gate_denies(gate, (uint64_t)s->st.st_dev, (uint64_t)s->st.st_ino);
        (void)pthread_mutex_unlock(&gate->lock);
        if (!denied)
                return false;
        o = opener(s);
        *out_rule = !s->job->exec && o->program != NULL && o->program->interpreter == NULL &&
                !opener_writes(s->job->tid) && opener_is_clean(s->job->tid) ? GUARD_RULE_READER : GUARD_RULE_PROTECTED;
        return true;
}

enum guard_rule
judge_job(
    struct lxguard *g, const struct rules *rules, struct job *job, enum judge_fd *out_fd)
{
        struct scene s = {.g = g, .rules = rules, .job = job, .fs = ""};
        enum guard_rule rule;
        uint8_t head[GUARD_CODE_BYTES];
        ssize_t n;

        *out_fd = JUDGE_CLOSE;
        if (fstat(job->fd, &s.st) != 0)
                return GUARD_RULE_ERROR;
        if (!S_ISREG(s.st.st_mode))
                return GUARD_RULE_DATA;
        if (!opener_in_scope(rules->policy, job->tid))
                return GUARD_RULE_SCOPE;
        if (judge_protected(&s, &rule)) {
                tell(&s, rule);
                return rule;
        }
        if (recall(&s, &rule)) {
                atomic_fetch_add(&g->gate->hits, 1);
                return rule;
        }
        mounts_catch_up(g, job->tid);
        n = pread(job->fd, head, sizeof(head), 0);
        if (n < 0)
                rule = GUARD_RULE_ERROR;
        else if (job->exec || guard_code_of(LX_SPAN(head, (size_t)n)) == GUARD_CODE_ELF)
                rule = judge_code(&s, out_fd);
        else
                rule = judge_data(&s, out_fd);
        tell(&s, rule);
        return rule;
}
