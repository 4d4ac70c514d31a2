/* A disk that forgets at a power cut what was not fsynced, for the processes that load this library.

   kill -9 leaves the page cache alive, so it proves nothing about durability. Preloaded (LD_PRELOAD),
   this library writes down, before each change to a file or a name below POWERCUT_ROOT, what it takes
   to undo it, and forgets that at fsync or fdatasync of the file (of the folder, for names). After all
   processes were killed, powercut.py applies what is left: the disk as after a power cut under the
   strict reading of POSIX, where a name is durable once its folder was fsynced.

   POWERCUT_JOURNAL, on the same file system: one file `<inode>.undo` for each file with changes that
   the disk may lose, `names.undo` for names, and `kept/`: links to what was unlinked or replaced.
   POWERCUT_SLOW_MS: what an fsync takes at least (a slow disk).

   Not seen: mmap (SQLite's -shm is rebuilt anyway), stdio (fopen) and io_uring: what goes that way
   counts as durable. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LOCKS 64
static char root[PATH_MAX], journal[PATH_MAX];
static size_t root_length;
static long slow_ms;
static pthread_mutex_t locks[LOCKS];
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

/* The calls of the system itself: ours must not meet ours. */
static int sys_open(const char *path, int flags, mode_t mode) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}
static ssize_t sys_pwrite(int fd, const void *from, size_t size, off_t at) {
  return syscall(SYS_pwrite64, fd, from, size, at);
}

__attribute__((constructor)) static void begin(void) {
  const char *r = getenv("POWERCUT_ROOT"), *j = getenv("POWERCUT_JOURNAL");
  const char *slow = getenv("POWERCUT_SLOW_MS");
  for (int i = 0; i < LOCKS; i++) pthread_mutex_init(&locks[i], NULL);
  if (r && j && realpath(r, root) && realpath(j, journal)) root_length = strlen(root);
  slow_ms = slow ? atol(slow) : 0;
}

static void broken(const char *what) {
  char text[PATH_MAX];
  int size = snprintf(text, sizeof text, "powercut: %s: %s\n", what, strerror(errno));
  syscall(SYS_write, 2, text, (size_t)size);
  abort();
}

static int below_root(const char *path) {
  return root_length && !strncmp(path, root, root_length) && path[root_length] == '/';
}

/* The path of an open file or folder; 0 where it is none below the root. */
static int path_of(int fd, char *path) {
  char link[64];
  if (!root_length) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = syscall(SYS_readlink, link, path, PATH_MAX - 1);
  if (size <= 0 || path[0] != '/') return 0;
  path[size] = 0;
  return below_root(path) || (!strcmp(path, root));
}

/* The absolute path of a name, its folder resolved; 0 where it lies elsewhere. */
static int full_path(int dir, const char *name, char *path) {
  char joined[2 * PATH_MAX], folder[PATH_MAX];
  if (!root_length || !name) return 0;
  int error = errno;
  if (name[0] == '/') {
    snprintf(joined, sizeof joined, "%s", name);
  } else {
    char at[PATH_MAX], link[64];
    if (dir == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    ssize_t size = syscall(SYS_readlink, link, at, sizeof at - 1);
    if (size <= 0) return errno = error, 0;
    at[size] = 0;
    snprintf(joined, sizeof joined, "%s/%s", at, name);
  }
  size_t length = strlen(joined);
  while (length > 1 && joined[length - 1] == '/') joined[--length] = 0;
  char *slash = strrchr(joined, '/');
  if (!slash) return errno = error, 0;
  char last[NAME_MAX + 1];
  snprintf(last, sizeof last, "%s", slash + 1);
  *slash = 0;
  int found = realpath(*joined ? joined : "/", folder) != NULL;
  errno = error;
  if (!found || (size_t)snprintf(path, PATH_MAX, "%s/%s", folder, last) >= PATH_MAX) return 0;
  return below_root(path);
}

static int opened_and_locked(const char *path) {
  int fd = sys_open(path, O_RDWR | O_CREAT, 0600);
  if (fd < 0) broken(path);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  while (syscall(SYS_fcntl, fd, F_SETLKW, &lock) < 0)
    if (errno != EINTR) broken(path);
  return fd;
}

static void append(int fd, const void *bytes, size_t size) {
  struct stat now;
  if (fstat(fd, &now) < 0) broken("fstat");
  if (sys_pwrite(fd, bytes, size, now.st_size) != (ssize_t)size) broken("the journal");
}

/* files */

struct change { uint64_t size_before, at, held; }; /* then `held` bytes that lay at `at` */

struct held { int journal; pthread_mutex_t *lock; };

static struct held hold(const struct stat *file) {
  char path[PATH_MAX + 32];
  struct held held = {.lock = &locks[file->st_ino % LOCKS]};
  snprintf(path, sizeof path, "%s/%llu.undo", journal, (unsigned long long)file->st_ino);
  pthread_mutex_lock(held.lock);
  held.journal = opened_and_locked(path);
  return held;
}

static void release(struct held held) {
  int error = errno;
  syscall(SYS_close, held.journal);
  pthread_mutex_unlock(held.lock);
  errno = error;
}

/* Write down what lies in [at, at + size) of a file, and how long it is. */
static void remember(int fd, struct held held, off_t at, size_t size) {
  struct stat file;
  if (fstat(fd, &file) < 0) broken("fstat");
  struct change change = {.size_before = (uint64_t)file.st_size, .at = (uint64_t)at};
  if (at < file.st_size) {
    uint64_t there = (uint64_t)(file.st_size - at);
    change.held = size < there ? size : there;
  }
  char *record = malloc(sizeof change + change.held);
  if (!record) broken("memory");
  memcpy(record, &change, sizeof change);
  char own[64];
  snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
  int reader = change.held ? sys_open(own, O_RDONLY, 0) : -1; /* fd may be for writing alone */
  for (uint64_t done = 0; done < change.held;) {
    ssize_t got = syscall(SYS_pread64, reader, record + sizeof change + done, change.held - done,
                          at + (off_t)done);
    if (got <= 0) broken("what was there before");
    done += (uint64_t)got;
  }
  if (reader >= 0) syscall(SYS_close, reader);
  append(held.journal, record, sizeof change + change.held);
  free(record);
}

/* Whether changes of an open file are to be undone; it is held until `release` then. */
static int watched(int fd, struct held *held) {
  char path[PATH_MAX];
  struct stat file;
  int error = errno;
  int is = path_of(fd, path) && !fstat(fd, &file) && S_ISREG(file.st_mode);
  if (is) *held = hold(&file);
  errno = error;
  return is;
}

static off_t place(int fd) {
  struct stat file;
  if ((fcntl(fd, F_GETFL) & O_APPEND) && !fstat(fd, &file)) return file.st_size;
  return lseek(fd, 0, SEEK_CUR);
}

#define WRITING(fd, at, size, call)              \
  struct held held;                              \
  if (!watched(fd, &held)) return call;          \
  remember(fd, held, at, size);                  \
  ssize_t done = call;                           \
  release(held);                                 \
  return done

static size_t total(const struct iovec *parts, int count) {
  size_t size = 0;
  for (int i = 0; i < count; i++) size += parts[i].iov_len;
  return size;
}

ssize_t write(int fd, const void *from, size_t size) {
  WRITING(fd, place(fd), size, syscall(SYS_write, fd, from, size));
}
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
  WRITING(fd, at, size, syscall(SYS_pwrite64, fd, from, size, at));
}
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
  return pwrite64(fd, from, size, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  WRITING(fd, place(fd), total(parts, count), syscall(SYS_writev, fd, parts, count));
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  WRITING(fd, at, total(parts, count),
          syscall(SYS_pwritev, fd, parts, count, (long)at, (long)((uint64_t)at >> 32)));
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  return pwritev64(fd, parts, count, at);
}
ssize_t sendfile64(int out, int in, off64_t *from, size_t size) {
  WRITING(out, place(out), size, syscall(SYS_sendfile, out, in, from, size));
}
ssize_t sendfile(int out, int in, off_t *from, size_t size) {
  return sendfile64(out, in, from, size);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
  WRITING(out, to ? *to : place(out), size,
          syscall(SYS_copy_file_range, in, from, out, to, size, flags));
}
int ftruncate64(int fd, off64_t size) {
  struct stat file;
  WRITING(fd, size, fstat(fd, &file) || file.st_size < size ? 0 : (size_t)(file.st_size - size),
          (int)syscall(SYS_ftruncate, fd, size));
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int truncate64(const char *path, off64_t size) {
  int fd = sys_open(path, O_WRONLY, 0);
  if (fd < 0) return -1;
  int done = ftruncate64(fd, size);
  int error = errno;
  syscall(SYS_close, fd);
  errno = error;
  return done;
}
int truncate(const char *path, off_t size) { return truncate64(path, size); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) {
  WRITING(fd, at, (size_t)size, (int)syscall(SYS_fallocate, fd, mode, at, size));
}
int fallocate(int fd, int mode, off_t at, off_t size) { return fallocate64(fd, mode, at, size); }
int posix_fallocate64(int fd, off64_t at, off64_t size) {
  return fallocate64(fd, 0, at, size) ? errno : 0;
}
int posix_fallocate(int fd, off_t at, off_t size) { return posix_fallocate64(fd, at, size); }

/* names: records `kind`, then texts, each ended by a zero byte, then a line feed */

static int hold_names(void) {
  char path[PATH_MAX + 32];
  snprintf(path, sizeof path, "%s/names.undo", journal);
  pthread_mutex_lock(&names_lock);
  return opened_and_locked(path);
}

static void release_names(int names) {
  int error = errno;
  syscall(SYS_close, names);
  pthread_mutex_unlock(&names_lock);
  errno = error;
}

static void note(int names, char kind, const char *first, const char *second) {
  char record[2 * PATH_MAX + 8];
  int size = snprintf(record, sizeof record, "%c%s%c%s%c\n", kind, first, 0, second, 0);
  append(names, record, (size_t)size);
}

/* Keep the file of a name that goes; its name in `kept`, empty where there is none. */
static void keep(int names, const char *path, char *kept) {
  struct stat file, at;
  *kept = 0;
  if (lstat(path, &file) < 0 || S_ISDIR(file.st_mode) || fstat(names, &at) < 0) return;
  if (snprintf(kept, PATH_MAX, "%s/kept/%lld", journal, (long long)at.st_size) >= PATH_MAX)
    broken("the journal's path is too long");
  syscall(SYS_unlinkat, AT_FDCWD, kept, 0); /* of one that was killed at this very point */
  if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, kept, 0) < 0) broken(kept);
}

static void synced(int fd) {
  char path[PATH_MAX];
  struct stat file;
  if (!path_of(fd, path) || fstat(fd, &file) || !S_ISDIR(file.st_mode)) return;
  int names = hold_names();
  note(names, 's', path, "");
  release_names(names);
}

static int sync_as(long call, int fd) {
  struct held held;
  if (!watched(fd, &held)) {
    int done = (int)syscall(call, fd);
    if (!done) synced(fd);
    return done;
  }
  if (slow_ms) {
    struct timespec pause = {slow_ms / 1000, slow_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
  }
  int done = (int)syscall(call, fd);
  if (!done && syscall(SYS_ftruncate, held.journal, 0) < 0) broken("the journal");
  release(held);
  return done;
}
int fsync(int fd) { return sync_as(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_as(SYS_fdatasync, fd); }

static int open_as(int dir, const char *name, int flags, mode_t mode) {
  char path[PATH_MAX];
  struct stat file;
  if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE ||
      !full_path(dir, name, path))
    return (int)syscall(SYS_openat, dir, name, flags, mode);
  int names = hold_names();
  int error = errno, there = !lstat(path, &file);
  errno = error;
  if (!there) note(names, 'c', path, "");
  int fd = (int)syscall(SYS_openat, dir, name, flags & ~O_TRUNC, mode);
  error = errno;
  if (fd < 0 && !there && lstat(path, &file)) note(names, '-', path, "");
  release_names(names);
  if (fd >= 0 && there && (flags & O_TRUNC) && ftruncate64(fd, 0) < 0) error = errno;
  errno = error;
  return fd;
}

#define MODE(flags)                                                   \
  mode_t mode = 0;                                                    \
  if ((flags) & (O_CREAT | O_TMPFILE)) {                              \
    va_list more;                                                     \
    va_start(more, flags);                                            \
    mode = va_arg(more, mode_t);                                      \
    va_end(more);                                                     \
  }
int open(const char *path, int flags, ...) { MODE(flags) return open_as(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_as(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return open_as(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return open_as(dir, path, flags, mode); }
int creat(const char *path, mode_t mode) {
  return open_as(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

static int remove_as(int dir, const char *name, int flags) {
  char path[PATH_MAX], kept[PATH_MAX];
  if (!full_path(dir, name, path)) return (int)syscall(SYS_unlinkat, dir, name, flags);
  int names = hold_names();
  keep(names, path, kept);
  int done = (int)syscall(SYS_unlinkat, dir, name, flags);
  /* Afterwards: a kill in between leaves a name that is gone for good, as a power cut may, too. */
  if (!done) note(names, flags & AT_REMOVEDIR ? 'r' : 'u', path, kept);
  else if (*kept) syscall(SYS_unlinkat, AT_FDCWD, kept, 0);
  release_names(names);
  return done;
}
int unlink(const char *path) { return remove_as(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return remove_as(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int dir, const char *path, int flags) { return remove_as(dir, path, flags); }

static int rename_as(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  char old[PATH_MAX], new[PATH_MAX], kept[PATH_MAX];
  if (!full_path(from_dir, from, old) || !full_path(to_dir, to, new))
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
  int names = hold_names();
  keep(names, new, kept);
  int done = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
  if (!done) {
    note(names, 'k', new, kept); /* what the new name stood for before */
    note(names, 'm', new, old);
  } else if (*kept) {
    syscall(SYS_unlinkat, AT_FDCWD, kept, 0);
  }
  release_names(names);
  return done;
}
int rename(const char *from, const char *to) { return rename_as(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int fd, const char *from, int td, const char *to) { return rename_as(fd, from, td, to, 0); }
int renameat2(int fd, const char *from, int td, const char *to, unsigned flags) {
  return rename_as(fd, from, td, to, flags);
}

static int make_as(int dir, const char *name, mode_t mode) {
  char path[PATH_MAX];
  if (!full_path(dir, name, path)) return (int)syscall(SYS_mkdirat, dir, name, mode);
  int names = hold_names();
  int done = (int)syscall(SYS_mkdirat, dir, name, mode);
  if (!done) note(names, 'd', path, "");
  release_names(names);
  return done;
}
int mkdir(const char *path, mode_t mode) { return make_as(AT_FDCWD, path, mode); }
int mkdirat(int dir, const char *path, mode_t mode) { return make_as(dir, path, mode); }

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  char path[PATH_MAX];
  if (!full_path(to_dir, to, path))
    return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
  int names = hold_names();
  int done = (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
  if (!done) note(names, 'c', path, "");
  release_names(names);
  return done;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
