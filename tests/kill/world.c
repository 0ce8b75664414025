/* A world whose clocks are the test's: preloaded into every process of a place (the cockpit, the site, the programs).
 *
 * All of them share one page. Every clock of theirs runs `pace` times as fast from a common origin on, so that a wait of
 * thirty seconds takes six, for everybody alike; and the wall clock can be put forward or back by `step` while they run.
 * Nothing of this is known to the programs: they ask the C library for the time, and wait by it.
 *
 * Its disk can be full: half of the next piece is written, and then nothing more; or it can be read-only. Standard output and
 * standard error go on.
 *
 * What is replaced: clock_gettime, gettimeofday, time; nanosleep, clock_nanosleep, epoll_wait, epoll_pwait, poll and the
 * timed futex, by which the standard library of Rust and its runtimes wait; write, and what makes or renames files. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

struct world {
    _Atomic int64_t pace;   /* how many times as fast; 1 is the machine's own */
    _Atomic int64_t step;   /* what the wall clock is put forward by, in ns */
    _Atomic int64_t origin; /* of the steady clock, in ns; 0 until the first process asks */
    _Atomic int64_t asked;  /* how often anybody asked for the wall clock */
    _Atomic int64_t disk;   /* 0 has room, 1 is full, 2 is read-only */
    _Atomic int64_t denied; /* how often something was not written for that */
};

static struct world *world;
static long (*system_call)(long, ...);
static int (*wait_for_events)(int, struct epoll_event *, int, int);
static int (*wait_for_events_masked)(int, struct epoll_event *, int, int, const sigset_t *);
static int (*wait_for_files)(struct pollfd *, nfds_t, int);
static int (*open_file)(const char *, int, ...);
static int (*make_directory)(const char *, mode_t);
static int (*rename_file)(const char *, const char *);

static int64_t ns(const struct timespec *time) { return time->tv_sec * SECOND + time->tv_nsec; }

static struct timespec spec(int64_t ns) {
    if (ns < 0) ns = 0;
    return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static long raw(long number, long a, long b, long c, long d, long e, long f) {
    return system_call(number, a, b, c, d, e, f);
}

static int64_t machine(clockid_t clock) {
    struct timespec now;
    raw(SYS_clock_gettime, clock, (long)&now, 0, 0, 0, 0);
    return ns(&now);
}

__attribute__((constructor)) static void enter(void) {
    system_call = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    wait_for_events = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    wait_for_events_masked =
        (int (*)(int, struct epoll_event *, int, int, const sigset_t *))dlsym(RTLD_NEXT, "epoll_pwait");
    wait_for_files = (int (*)(struct pollfd *, nfds_t, int))dlsym(RTLD_NEXT, "poll");
    open_file = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    make_directory = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir");
    rename_file = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    const char *file = getenv("TEST_WORLD");
    if (!file) return;
    int page = (int)raw(SYS_openat, AT_FDCWD, (long)file, O_RDWR | O_CLOEXEC, 0, 0, 0);
    if (page < 0) return;
    void *shared = mmap(NULL, sizeof(struct world), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    close(page);
    if (shared == MAP_FAILED) return;
    struct world *found = shared;
    int64_t none = 0;
    atomic_compare_exchange_strong(&found->origin, &none, machine(CLOCK_MONOTONIC));
    world = found;
}

/* How much faster than the machine's clocks this world's have become since its origin. */
static int64_t ahead(void) { return (world->pace - 1) * (machine(CLOCK_MONOTONIC) - world->origin); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!system_call) enter();
    long failed = raw(SYS_clock_gettime, clock, (long)time, 0, 0, 0, 0);
    if (failed || !world) return failed;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        world->asked++;
        *time = spec(ns(time) + ahead() + world->step);
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
        *time = spec(ns(time) + ahead());
        break;
    default:
        break;
    }
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

/* Waits of so long, in this world's time. */
static int shorter(int milliseconds) {
    if (!world || milliseconds <= 0) return milliseconds;
    return (int)((milliseconds + world->pace - 1) / world->pace);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
    return wait_for_events(epoll, events, most, shorter(timeout));
}

int epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout, const sigset_t *mask) {
    return wait_for_events_masked(epoll, events, most, shorter(timeout), mask);
}

int poll(struct pollfd *files, nfds_t count, int timeout) { return wait_for_files(files, count, shorter(timeout)); }

/* Until a moment, or for so long, of this world's; answered in the machine's. */
static struct timespec until(clockid_t clock, const struct timespec *moment) {
    int64_t here = ns(moment);
    if (!world) return *moment;
    struct timespec now;
    clock_gettime(clock, &now);
    return spec(machine(clock) + (here - ns(&now)) / world->pace);
}

static struct timespec as_long_as(const struct timespec *time) {
    return world ? spec(ns(time) / world->pace) : *time;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest) {
    if (!system_call) enter();
    struct timespec there = flags & TIMER_ABSTIME ? until(clock, time) : as_long_as(time);
    return raw(SYS_clock_nanosleep, clock, flags, (long)&there, (long)rest, 0, 0) ? errno : 0;
}

int nanosleep(const struct timespec *time, struct timespec *rest) {
    int failed = clock_nanosleep(CLOCK_REALTIME, 0, time, rest);
    if (!failed) return 0;
    errno = failed;
    return -1;
}

long syscall(long number, ...) {
    if (!system_call) enter();
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    struct timespec there;
    if (number == SYS_futex && d && world) {
        int operation = (int)(b & FUTEX_CMD_MASK);
        if (operation == FUTEX_WAIT) {
            there = as_long_as((const struct timespec *)d);
            d = (long)&there;
        } else if (operation == FUTEX_WAIT_BITSET) {
            there = until(b & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, (const struct timespec *)d);
            d = (long)&there;
        }
    }
    return raw(number, a, b, c, d, e, f);
}

/* A file on the disk, other than what the program says to whoever started it. */
static int is_on_disk(int file) {
    struct stat what;
    return file > 2 && !fstat(file, &what) && S_ISREG(what.st_mode);
}

static int denied(int why) {
    world->denied++;
    errno = why;
    return -1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    static _Atomic int half;
    if (!system_call) enter();
    if (world && !world->disk) half = 0;
    if (world && world->disk && is_on_disk(file)) {
        if (world->disk == 2) return denied(EROFS);
        if (count < 2 || atomic_exchange(&half, 1)) return denied(ENOSPC);
        count /= 2;
    }
    return raw(SYS_write, file, (long)bytes, (long)count, 0, 0, 0);
}

static int is_read_only(const char *path) {
    return world && world->disk == 2 && strncmp(path, "/dev/", 5) && strncmp(path, "/proc/", 6);
}

int open64(const char *path, int flags, ...) {
    if (!system_call) enter();
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && is_read_only(path)) return denied(EROFS);
    return open_file(path, flags, mode);
}

int mkdir(const char *path, mode_t mode) {
    if (!system_call) enter();
    /* One that is there already is there also on a disk that takes nothing. */
    struct stat what;
    if (is_read_only(path) && stat(path, &what)) return denied(EROFS);
    return make_directory(path, mode);
}

int rename(const char *from, const char *to) {
    if (!system_call) enter();
    return is_read_only(to) ? denied(EROFS) : rename_file(from, to);
}
