/* Kills its process before the N-th thing that it is about to do to the world outside it.
 *
 * Loaded with LD_PRELOAD. Once `arm(n)` was called, every write, flush, rename, removal, new file,
 * new folder and packet to a server is counted, and the n-th does not happen any more. So a process
 * can be killed at each boundary between two of its effects, one after another.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long left = 0;
static atomic_long passed = 0;
static atomic_int armed = 0;

void arm(long n) {
    atomic_store(&left, n);
    atomic_store(&passed, 0);
    atomic_store(&armed, 1);
}

/* Stops counting; returns how many boundaries were passed. */
long disarm(void) {
    atomic_store(&armed, 0);
    return atomic_load(&passed);
}

static void boundary(void) {
    if (!atomic_load(&armed)) {
        return;
    }
    if (atomic_fetch_sub(&left, 1) == 1) {
        kill(getpid(), SIGKILL);
        for (;;) {
            pause();
        }
    }
    atomic_fetch_add(&passed, 1);
}

/* A file, or a connection to a server; not a pipe or pair inside the process. */
static int outside(int fd) {
    struct stat status;
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    if (!atomic_load(&armed) || fstat(fd, &status) != 0) {
        return 0;
    }
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
        return 1;
    }
    return S_ISSOCK(status.st_mode) && getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
           (peer.ss_family == AF_INET || peer.ss_family == AF_INET6);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_FD(type, name, parameters, arguments)                                                   \
    type name parameters {                                                                         \
        if (outside(fd)) {                                                                         \
            boundary();                                                                            \
        }                                                                                          \
        return REAL(name) arguments;                                                               \
    }
#define ON_PATH(name, parameters, arguments)                                                       \
    int name parameters {                                                                          \
        boundary();                                                                                \
        return REAL(name) arguments;                                                               \
    }

ON_FD(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
ON_FD(ssize_t, writev, (int fd, const struct iovec *from, int count), (fd, from, count))
ON_FD(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))
ON_FD(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at))
ON_FD(int, fsync, (int fd), (fd))
ON_FD(int, fdatasync, (int fd), (fd))
ON_FD(int, ftruncate, (int fd, off_t size), (fd, size))
ON_FD(int, ftruncate64, (int fd, off64_t size), (fd, size))
ON_FD(ssize_t, send, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
ON_FD(ssize_t, sendto,
      (int fd, const void *from, size_t size, int flags, const struct sockaddr *to, socklen_t n),
      (fd, from, size, flags, to, n))
ON_FD(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))

ON_PATH(rename, (const char *from, const char *to), (from, to))
ON_PATH(renameat, (int at, const char *from, int there, const char *to), (at, from, there, to))
ON_PATH(link, (const char *from, const char *to), (from, to))
ON_PATH(linkat, (int at, const char *from, int there, const char *to, int flags),
        (at, from, there, to, flags))
ON_PATH(unlink, (const char *path), (path))
ON_PATH(unlinkat, (int at, const char *path, int flags), (at, path, flags))
ON_PATH(rmdir, (const char *path), (path))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))

#define ON_OPEN(name, parameters, arguments)                                                       \
    int name parameters {                                                                          \
        mode_t mode = 0;                                                                           \
        if (flags & O_CREAT) {                                                                     \
            va_list more;                                                                          \
            va_start(more, flags);                                                                 \
            mode = va_arg(more, mode_t);                                                           \
            va_end(more);                                                                          \
            boundary();                                                                            \
        }                                                                                          \
        return REAL(name) arguments;                                                               \
    }

ON_OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
ON_OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
ON_OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
ON_OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))
