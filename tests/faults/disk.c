/* Preloaded under a process, it stands between it and one folder: writes down what reaches the folder's files, and
 * makes chosen calls fail.
 *
 *   disk_watch(folder, log)      from now on; log: a file that is appended to, or NULL
 *   disk_note(bytes, size)       puts a note of the caller's own between the operations
 *   disk_fail(what, nth, times, error)
 *                                the nth call of this kind from now, and those after it, fail `times` times with `error`;
 *                                what: 'S' syncs, 'W' writes (where the disk is full, ENOSPC, the first of several writes
 *                                half of what it should), 'T' truncations
 *   disk_calls(what), disk_failed()   how many there were, how many of them failed
 *
 * A log is a row of: u8 operation, u8 failed, u16 name's length, u32 data's length, u64 inode, u64 offset, name, data
 *   'O' opened     offset 1 when it was made by this        'W' written    data at offset
 *   'T' truncated  to offset                                'S' synced     'D' the folder synced
 *   'U' unlinked                                            'R' renamed    data: the new name
 *   'L' linked     data: the second name
 *   'N' note
 *
 * A process that is killed leaves what it wrote in the page cache, so logs of several lives follow on one another.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 1024
#define REAL(name) ((__typeof__(&name))real(#name))
enum { NOT_OURS, A_FILE, THE_FOLDER };

static char folder[4096];
static size_t folder_length;
static int log_to = -1;
static struct { int what; uint64_t inode; } open_file[FILES];
static struct { int what; long nth, times; int error; } fault;
static long calls[128], failed;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

static void say(char operation, int bad, uint64_t inode, uint64_t offset, const char *name, const void *data,
                size_t size) {
    struct __attribute__((packed)) {
        uint8_t operation, failed;
        uint16_t name;
        uint32_t data;
        uint64_t inode, offset;
    } head = {operation, bad, name ? strlen(name) : 0, size, inode, offset};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)name, head.name}, {(void *)data, size}};
    if (log_to >= 0 && writev(log_to, parts, 3) != (ssize_t)(sizeof head + head.name + size)) abort();
}

static const char *name_in_folder(const char *path) {
    if (!folder_length || strncmp(path, folder, folder_length)) return NULL;
    return path[folder_length] == '/' ? path + folder_length + 1 : NULL;
}

static int ours(int fd) { return fd >= 0 && fd < FILES ? open_file[fd].what : NOT_OURS; }

/* Whether this call of its kind has to fail; then errno says how. */
static int must_fail(char what) {
    calls[(int)what]++;
    if (fault.what != what || fault.times <= 0 || --fault.nth > 0) return 0;
    fault.times--;
    failed++;
    errno = fault.error;
    return 1;
}

void disk_watch(const char *path, const char *log) {
    folder_length = strlen(strcpy(folder, path));
    log_to = log ? REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
    memset(open_file, 0, sizeof open_file);
}

void disk_note(const void *data, size_t size) {
    pthread_mutex_lock(&lock);
    say('N', 0, 0, 0, NULL, data, size);
    pthread_mutex_unlock(&lock);
}

void disk_fail(char what, long nth, long times, int error) {
    fault.what = what, fault.nth = nth, fault.times = times, fault.error = error;
    memset(calls, 0, sizeof calls);
    failed = 0;
}

long disk_calls(char what) { return calls[(int)what]; }

long disk_failed(void) { return failed; }

static int opened(int fd, const char *path, int flags, int existed) {
    struct stat now;
    const char *name = name_in_folder(path);
    if (fd < 0 || fd >= FILES) return fd;
    open_file[fd].what = NOT_OURS;
    if (folder_length && !strcmp(path, folder)) open_file[fd].what = THE_FOLDER;
    if (name && !fstat(fd, &now) && S_ISREG(now.st_mode)) {
        open_file[fd].what = A_FILE;
        open_file[fd].inode = now.st_ino;
        say('O', 0, now.st_ino, !existed, name, NULL, 0);
        if (existed && flags & O_TRUNC) say('T', 0, now.st_ino, 0, NULL, NULL, 0);
    }
    return fd;
}

static int open_it(int where, const char *path, int flags, mode_t mode) {
    int existed, fd;
    pthread_mutex_lock(&lock);
    existed = !faccessat(where, path, F_OK, 0);
    fd = opened(REAL(openat)(where, path, flags, mode), path, flags, existed);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags, after) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, after); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) { MODE(flags, flags) return open_it(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, flags) return open_it(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags, flags) return open_it(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags, flags) return open_it(at, path, flags, mode); }

int close(int fd) {
    if (fd >= 0 && fd < FILES) open_file[fd].what = NOT_OURS;
    return REAL(close)(fd);
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t offset) {
    ssize_t done;
    pthread_mutex_lock(&lock);
    if (must_fail('W')) {
        if (fault.error != ENOSPC || failed > 1 || !fault.times) {
            say('W', 1, open_file[fd].inode, offset, NULL, NULL, 0);
            pthread_mutex_unlock(&lock);
            errno = fault.error;
            return -1;
        }
        size /= 2;
    }
    done = REAL(pwrite64)(fd, data, size, offset);
    if (done > 0) say('W', 0, open_file[fd].inode, offset, NULL, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
    return ours(fd) == A_FILE ? write_at(fd, data, size, offset) : REAL(pwrite64)(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

ssize_t write(int fd, const void *data, size_t size) {
    off_t at;
    ssize_t done;
    if (ours(fd) != A_FILE) return REAL(write)(fd, data, size);
    at = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    done = write_at(fd, data, size, at);
    if (done > 0) lseek(fd, at + done, SEEK_SET);
    return done;
}

int ftruncate64(int fd, off_t size) {
    int bad;
    if (ours(fd) != A_FILE) return REAL(ftruncate64)(fd, size);
    pthread_mutex_lock(&lock);
    bad = must_fail('T') ? -1 : REAL(ftruncate64)(fd, size);
    if (!bad) say('T', 0, open_file[fd].inode, size, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    return bad;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int sync_it(int fd, int (*really)(int)) {
    int bad, why;
    if (ours(fd) == NOT_OURS) return really(fd);
    pthread_mutex_lock(&lock);
    bad = must_fail('S') ? -1 : really(fd);
    why = errno;
    say(ours(fd) == A_FILE ? 'S' : 'D', bad != 0, open_file[fd].inode, 0, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = why;
    return bad;
}

int fsync(int fd) { return sync_it(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_it(fd, REAL(fdatasync)); }

static int unlink_it(int at, const char *path, int flags) {
    int bad;
    const char *name = name_in_folder(path);
    pthread_mutex_lock(&lock);
    bad = REAL(unlinkat)(at, path, flags);
    if (!bad && name && !(flags & AT_REMOVEDIR)) say('U', 0, 0, 0, name, NULL, 0);
    pthread_mutex_unlock(&lock);
    return bad;
}

int unlink(const char *path) { return unlink_it(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlink_it(at, path, flags); }

static int rename_it(int from_at, const char *from, int to_at, const char *to) {
    int bad;
    const char *old = name_in_folder(from), *new = name_in_folder(to);
    pthread_mutex_lock(&lock);
    bad = REAL(renameat)(from_at, from, to_at, to);
    if (!bad && old && new) say('R', 0, 0, 0, old, new, strlen(new));
    pthread_mutex_unlock(&lock);
    return bad;
}

static int link_it(int from_at, const char *from, int to_at, const char *to, int flags) {
    int bad;
    const char *old = name_in_folder(from), *second = name_in_folder(to);
    pthread_mutex_lock(&lock);
    bad = REAL(linkat)(from_at, from, to_at, to, flags);
    if (!bad && old && second) say('L', 0, 0, 0, old, second, strlen(second));
    pthread_mutex_unlock(&lock);
    return bad;
}

int link(const char *from, const char *to) { return link_it(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    return link_it(from_at, from, to_at, to, flags);
}

int rename(const char *from, const char *to) { return rename_it(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return rename_it(from_at, from, to_at, to); }
