/* Preloaded into the harness: counts the calls that change a folder, and makes one of them fail or be the last.
   A write that is struck has put half of its bytes on the disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, RENAME = 4, CREATE = 8, REMOVE = 16 };
enum { FAIL = 0, FAIL_ON = 1, KILL_BEFORE = 2, KILL_AFTER = 3 };

static char root[PATH_MAX];
static size_t root_length;
static long count, at;
static int kinds, mode, error_number;

/* Strike call number `place` (from 1; 0 strikes none) of those `chosen` below `folder`. */
void fault_arm(const char *folder, long place, int chosen, int how, int number) {
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    count = 0, at = place, kinds = chosen, mode = how, error_number = number;
}

long fault_count(void) { return count; }

static int below(const char *path) { return root_length && !strncmp(path, root, root_length); }

static int of_descriptor(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int at_folder(int folder, const char *path) {
    return path[0] == '/' ? below(path) : folder != AT_FDCWD && of_descriptor(folder);
}

static int struck(int kind, int inside) {
    if (!root_length || !(kinds & kind) || !inside) return 0;
    count++;
    int now = at && (count == at || (mode == FAIL_ON && count > at));
    if (now && mode == KILL_BEFORE) kill(getpid(), SIGKILL);
    return now;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define AROUND(kind, inside, call)                                       \
    do {                                                                 \
        if (!struck(kind, inside)) return call;                          \
        if (mode == KILL_AFTER) { (void)!call; kill(getpid(), SIGKILL); } \
        errno = error_number;                                            \
        return -1;                                                       \
    } while (0)

ssize_t write(int descriptor, const void *bytes, size_t size) {
    if (!root_length || !struck(WRITE, of_descriptor(descriptor))) return REAL(write)(descriptor, bytes, size);
    (void)!REAL(write)(descriptor, bytes, size / 2);
    if (mode == KILL_AFTER) kill(getpid(), SIGKILL);
    errno = error_number;
    return -1;
}

ssize_t writev(int d, const struct iovec *v, int n) { AROUND(WRITE, of_descriptor(d), REAL(writev)(d, v, n)); }
ssize_t pwrite64(int d, const void *b, size_t n, off64_t o) { AROUND(WRITE, of_descriptor(d), REAL(pwrite64)(d, b, n, o)); }
int ftruncate64(int d, off64_t size) { AROUND(WRITE, of_descriptor(d), REAL(ftruncate64)(d, size)); }
int fsync(int d) { AROUND(SYNC, of_descriptor(d), REAL(fsync)(d)); }
int fdatasync(int d) { AROUND(SYNC, of_descriptor(d), REAL(fdatasync)(d)); }
int rename(const char *a, const char *b) { AROUND(RENAME, below(b), REAL(rename)(a, b)); }
int renameat(int x, const char *a, int y, const char *b) { AROUND(RENAME, at_folder(y, b), REAL(renameat)(x, a, y, b)); }
int mkdir(const char *path, mode_t m) { AROUND(CREATE, below(path), REAL(mkdir)(path, m)); }
int unlink(const char *path) { AROUND(REMOVE, below(path), REAL(unlink)(path)); }
int unlinkat(int d, const char *path, int f) { AROUND(REMOVE, at_folder(d, path), REAL(unlinkat)(d, path, f)); }
int rmdir(const char *path) { AROUND(REMOVE, below(path), REAL(rmdir)(path)); }

static int writes(int flags) { return flags & (O_CREAT | O_WRONLY | O_RDWR); }

static mode_t permissions(int flags, va_list more) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; }

#define OPEN(name)                                                                    \
    int name(const char *path, int flags, ...) {                                      \
        va_list more;                                                                 \
        va_start(more, flags);                                                        \
        mode_t m = permissions(flags, more);                                          \
        va_end(more);                                                                 \
        AROUND(CREATE, writes(flags) && below(path), REAL(name)(path, flags, m));     \
    }
#define OPEN_AT(name)                                                                          \
    int name(int d, const char *path, int flags, ...) {                                        \
        va_list more;                                                                          \
        va_start(more, flags);                                                                 \
        mode_t m = permissions(flags, more);                                                   \
        va_end(more);                                                                          \
        AROUND(CREATE, writes(flags) && at_folder(d, path), REAL(name)(d, path, flags, m));    \
    }
OPEN(open)
OPEN(open64)
OPEN_AT(openat)
OPEN_AT(openat64)
