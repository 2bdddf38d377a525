/*
 * tests/tools/faulty.c - a library to preload: a disk that fails, dies and forgets; memory that ends.
 *
 * It watches what a process does to the files below LX_FAULT_DIR. LX_FAULT says what goes wrong:
 *   kill:N    the process dies before its N-th operation that changes the disk
 *   torn:N    before the N-th it dies, having done half of it when it is a write
 *   write:N   the N-th write fails with EIO         full:N  that and all later ones with ENOSPC
 *   fsync:N   the N-th fsync fails with EIO, and what was not synced in that file never will be (in a
 *             directory: not yet)
 *   alloc:N   the N-th allocation after lx_fault_arm() fails
 * LX_FAULT_SHADOW names a directory that gets what a disk would keep that forgets all but what was
 * synced, by the letter of POSIX: data/ID the content of a file as of its last fsync, dirs/ID the
 * names in a directory (kind, ID, name a line) as of its own; root: the ID of LX_FAULT_DIR.
 * tests/tools/fault-sweep builds a directory from it. LX_FAULT_COUNT names a file that gets how many
 * operations, writes, fsyncs and allocations there were. Nothing here is thread-hot: one lock.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define FILES_MAX 8192 /* inodes that are told apart */
#define DEAD 137

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
/* The script's sign that allocations count from now on; it is found with dlsym. */
void lx_fault_arm(void);

static struct {
        char dir[PATH_BYTES], shadow[PATH_BYTES];
        size_t dir_len;
        char what[8];
        uint64_t n;
        uint64_t ops, writes, fsyncs;
        bool ready;
        pthread_mutex_t lock;
        struct file {
                ino_t ino;
                unsigned born; /* which file with this inode number */
                bool lost;     /* an fsync failed: what it did not write is gone */
        } file[FILES_MAX];
        size_t file_count;
} f = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic bool armed;
static _Atomic uint64_t allocs;
static _Thread_local int inside; /* our own work: neither counted nor failed */

#define REAL(name) ((__typeof__(&(name)))real(#name))

static void *
real(const char *name)
{
        void *fn = dlsym(RTLD_NEXT, name);

        if (fn == NULL)
                _exit(126);
        return fn;
}

/* ---- which file -------------------------------------------------------------------------------- */

static bool
is_below(const char *path)
{
        return f.ready && strncmp(path, f.dir, f.dir_len) == 0 &&
            (path[f.dir_len] == '/' || path[f.dir_len] == '\0');
}

static bool
is_ours_fd(int fd)
{
        char link[64], path[PATH_BYTES];
        ssize_t n;

        if (!f.ready || inside > 0)
                return false;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n <= 0)
                return false;
        path[n] = '\0';
        return is_below(path);
}

static struct file *
find(ino_t ino)
{
        for (size_t i = 0; i < f.file_count; i++)
                if (f.file[i].ino == ino)
                        return &f.file[i];
        if (f.file_count == FILES_MAX)
                _exit(125);
        f.file[f.file_count] = (struct file){.ino = ino};
        return &f.file[f.file_count++];
}

static void
make_id(ino_t ino, char out[64])
{
        (void)snprintf(out, 64, "%llu.%u", (unsigned long long)ino, find(ino)->born);
}

/* ---- what a forgetful disk keeps --------------------------------------------------------------- */

static void
copy_out(int from, const char *name)
{
        char path[PATH_BYTES + 80], chunk[65536];
        int to;
        off_t at = 0;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/data/%s", f.shadow, name);
        to = REAL(open)(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        while ((n = pread(from, chunk, sizeof(chunk), at)) > 0) {
                if (REAL(write)(to, chunk, (size_t)n) != n)
                        _exit(124);
                at += n;
        }
        (void)close(to);
}

static void
list_out(DIR *d, const char *name)
{
        char path[PATH_BYTES + 80], line[512], id[64];
        struct dirent *entry;
        struct stat st;
        int to;

        (void)snprintf(path, sizeof(path), "%s/dirs/%s", f.shadow, name);
        to = REAL(open)(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        while ((entry = readdir(d)) != NULL) {
                int len;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
                    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
                        continue;
                make_id(st.st_ino, id);
                len = snprintf(line, sizeof(line), "%c %s %s\n", S_ISDIR(st.st_mode) ? 'd' : 'f', id, entry->d_name);
                if (REAL(write)(to, line, (size_t)len) != len)
                        _exit(124);
        }
        (void)close(to);
}

/* The file or directory @fd as it is now is on the disk. */
static void
keep(int fd)
{
        char link[64], id[64];
        struct stat st;
        int again;

        if (f.shadow[0] == '\0' || fstat(fd, &st) != 0 || find(st.st_ino)->lost)
                return;
        make_id(st.st_ino, id);
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        again = REAL(open)(link, O_RDONLY | O_CLOEXEC);
        if (again < 0)
                return;
        if (S_ISDIR(st.st_mode)) {
                DIR *d = fdopendir(again);

                list_out(d, id);
                (void)closedir(d);
        } else {
                copy_out(again, id);
                (void)close(again);
        }
}

/* What is there at the start is on the disk. */
static void
keep_tree(const char *path)
{
        char below[PATH_BYTES];
        struct dirent *entry;
        struct stat st;
        int fd = REAL(open)(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        DIR *d;

        if (fd < 0)
                return;
        keep(fd);
        (void)close(fd);
        d = opendir(path);
        while (d != NULL && (entry = readdir(d)) != NULL) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    (size_t)snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= sizeof(below) ||
                    lstat(below, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
                        continue;
                keep_tree(below);
        }
        if (d != NULL)
                (void)closedir(d);
}

/* A file or directory that was just made: not the one that had its inode number before. */
static void
born(const char *path)
{
        struct stat st;

        if (lstat(path, &st) == 0) {
                struct file *file = find(st.st_ino);

                file->born++;
                file->lost = false;
        }
}

__attribute__((constructor)) static void
begin(void)
{
        const char *dir = getenv("LX_FAULT_DIR"), *fault = getenv("LX_FAULT"), *shadow = getenv("LX_FAULT_SHADOW");
        char root[PATH_BYTES + 16], id[64];
        struct stat st;

        inside++;
        if (dir == NULL || realpath(dir, f.dir) == NULL || stat(f.dir, &st) != 0)
                return;
        f.dir_len = strlen(f.dir);
        if (fault != NULL && sscanf(fault, "%7[a-z]:%llu", f.what, (unsigned long long *)&f.n) != 2)
                _exit(123);
        if (shadow != NULL) {
                int fd;

                (void)snprintf(f.shadow, sizeof(f.shadow), "%s", shadow);
                keep_tree(f.dir);
                make_id(st.st_ino, id);
                (void)snprintf(root, sizeof(root), "%s/root", f.shadow);
                fd = REAL(open)(root, O_WRONLY | O_CREAT | O_TRUNC, 0600);
                if (REAL(write)(fd, id, strlen(id)) <= 0)
                        _exit(124);
                (void)close(fd);
        }
        f.ready = true;
        inside--;
}

__attribute__((destructor)) static void
end(void)
{
        const char *count = getenv("LX_FAULT_COUNT");
        FILE *out;

        inside++;
        f.ready = false;
        out = count != NULL ? fopen(count, "w") : NULL;
        if (out == NULL)
                return;
        (void)fprintf(out, "{\"ops\": %llu, \"writes\": %llu, \"fsyncs\": %llu, \"allocs\": %llu}\n",
            (unsigned long long)f.ops, (unsigned long long)f.writes, (unsigned long long)f.fsyncs,
            (unsigned long long)allocs);
        (void)fclose(out);
}

/* ---- operations -------------------------------------------------------------------------------- */

static bool
is_fault(const char *what)
{
        return strcmp(f.what, what) == 0;
}

static void
enter(void)
{
        pthread_mutex_lock(&f.lock);
        inside++;
}

static void
leave(void)
{
        inside--;
        pthread_mutex_unlock(&f.lock);
}

/* One more operation on the disk; does not return when it is the last. */
static void
operate(void)
{
        f.ops++;
        if ((is_fault("kill") || is_fault("torn")) && f.ops == f.n)
                _exit(DEAD);
}

/* A write of @len bytes is next: its length, or -1 with errno. May die, having written half. */
static ssize_t
before_write(int fd, const void *bytes, size_t len, off_t at)
{
        f.writes++;
        if (is_fault("torn") && f.ops + 1 == f.n) {
                if (at < 0)
                        (void)!REAL(write)(fd, bytes, len / 2);
                else
                        (void)!REAL(pwrite)(fd, bytes, len / 2, at);
        }
        operate();
        if ((is_fault("write") && f.writes == f.n) || (is_fault("full") && f.writes >= f.n)) {
                errno = is_fault("full") ? ENOSPC : EIO;
                return -1;
        }
        return (ssize_t)len;
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
        ssize_t n;

        if (!is_ours_fd(fd))
                return REAL(write)(fd, bytes, len);
        enter();
        n = before_write(fd, bytes, len, -1);
        if (n >= 0)
                n = REAL(write)(fd, bytes, len);
        leave();
        return n;
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
        ssize_t n;

        if (!is_ours_fd(fd))
                return REAL(pwrite)(fd, bytes, len, at);
        enter();
        n = before_write(fd, bytes, len, at);
        if (n >= 0)
                n = REAL(pwrite)(fd, bytes, len, at);
        leave();
        return n;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
        return pwrite(fd, bytes, len, at);
}

static int
sync_file(int fd, int (*sync)(int fd))
{
        int result = -1;

        if (!is_ours_fd(fd))
                return sync(fd);
        enter();
        f.fsyncs++;
        operate();
        if (is_fault("fsync") && f.fsyncs == f.n) {
                struct stat st;

                /* Pages are given up after a failed fsync; names are not: the next one keeps them. */
                if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
                        find(st.st_ino)->lost = true;
                errno = EIO;
        } else {
                keep(fd);
                result = 0; /* the real disk need not work */
        }
        leave();
        return result;
}

int
fsync(int fd)
{
        return sync_file(fd, REAL(fsync));
}

int
fdatasync(int fd)
{
        return sync_file(fd, REAL(fdatasync));
}

static int
open_any(int at, const char *path, int flags, mode_t mode)
{
        char whole[PATH_BYTES];
        struct stat st;
        bool made;
        int fd;

        if (inside > 0 || !f.ready || (flags & O_CREAT) == 0 || !is_below(path))
                return REAL(openat)(at, path, flags, mode);
        (void)snprintf(whole, sizeof(whole), "%s", path);
        enter();
        made = lstat(whole, &st) != 0;
        if (made || (flags & O_TRUNC) != 0)
                operate();
        fd = REAL(openat)(at, path, flags, mode);
        if (fd >= 0 && made)
                born(whole);
        leave();
        return fd;
}

/* The mode argument is there only with O_CREAT (or O_TMPFILE, which nobody here uses). */
#define MODE(flags)                                                                                      \
        mode_t mode = 0;                                                                                 \
        if (((flags)&O_CREAT) != 0) {                                                                    \
                va_list ap;                                                                              \
                va_start(ap, flags);                                                                     \
                mode = va_arg(ap, mode_t);                                                               \
                va_end(ap);                                                                              \
        }

int
open(const char *path, int flags, ...)
{
        MODE(flags)
        return open_any(AT_FDCWD, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
        MODE(flags)
        return open_any(AT_FDCWD, path, flags, mode);
}

int
openat(int at, const char *path, int flags, ...)
{
        MODE(flags)
        return open_any(at, path, flags, mode);
}

int
rename(const char *from, const char *to)
{
        int result;

        if (inside > 0 || !is_below(from))
                return REAL(rename)(from, to);
        enter();
        operate();
        result = REAL(rename)(from, to);
        leave();
        return result;
}

int
link(const char *from, const char *to)
{
        int result;

        if (inside > 0 || !is_below(to))
                return REAL(link)(from, to);
        enter();
        operate();
        result = REAL(link)(from, to);
        leave();
        return result;
}

int
unlink(const char *path)
{
        int result;

        if (inside > 0 || !is_below(path))
                return REAL(unlink)(path);
        enter();
        operate();
        result = REAL(unlink)(path);
        leave();
        return result;
}

int
mkdir(const char *path, mode_t mode)
{
        int result;

        if (inside > 0 || !is_below(path))
                return REAL(mkdir)(path, mode);
        enter();
        operate();
        result = REAL(mkdir)(path, mode);
        if (result == 0)
                born(path);
        leave();
        return result;
}

int
ftruncate(int fd, off_t len)
{
        int result;

        if (!is_ours_fd(fd))
                return REAL(ftruncate)(fd, len);
        enter();
        operate();
        result = REAL(ftruncate)(fd, len);
        leave();
        return result;
}

int
ftruncate64(int fd, off_t len)
{
        return ftruncate(fd, len);
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* Whether @at is in the library of this name. */
static bool
is_in(const char *library, void *at)
{
        Dl_info where;

        return dladdr(at, &where) != 0 && where.dli_fname != NULL && strstr(where.dli_fname, library) != NULL;
}

/*
 * RocksDB's cache and the LZ4 that it calls do not look at what malloc gave them. A null pointer below RocksDB is an
 * end like its own std::bad_alloc; anywhere else it is our mistake and stays what it is.
 */
static void
on_bad_address(int sig, siginfo_t *info, void *context)
{
        void *frame[32];
        int count = backtrace(frame, 32);

        (void)info, (void)context;
        for (int i = 2; i < count && !is_in("store_script", frame[i]); i++) /* us, the kernel's return */
                if (is_in("librocksdb", frame[i]))
                        abort();
        backtrace_symbols_fd(frame, count, STDERR_FILENO);
        (void)signal(sig, SIG_DFL); /* the instruction is tried again */
}

void
lx_fault_arm(void)
{
        struct sigaction action = {.sa_sigaction = on_bad_address, .sa_flags = SA_SIGINFO};

        void *frame[1];

        (void)backtrace(frame, 1); /* the first call loads a library */
        if (strcmp(f.what, "alloc") == 0)
                (void)sigaction(SIGSEGV, &action, NULL);
        armed = true;
}

/* Whether this allocation fails. */
static bool
is_last_byte(void)
{
        if (!armed || inside > 0)
                return false;
        return ++allocs == f.n && f.ready && strcmp(f.what, "alloc") == 0;
}

void *
malloc(size_t size)
{
        return is_last_byte() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
        return is_last_byte() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
        return is_last_byte() ? NULL : __libc_realloc(old, size);
}

void *
memalign(size_t align, size_t size)
{
        return is_last_byte() ? NULL : __libc_memalign(align, size);
}

void *
aligned_alloc(size_t align, size_t size)
{
        return memalign(align, size);
}

int
posix_memalign(void **out, size_t align, size_t size)
{
        void *p = memalign(align, size);

        if (p == NULL)
                return ENOMEM;
        *out = p;
        return 0;
}
