/* A read-only pass-through file system that answers every call so many microseconds late, as a network one does.
   slow_files FOLDER MICROSECONDS MOUNTPOINT -f -o ro; many calls are answered at once. */
#define FUSE_USE_VERSION 312
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;
static useconds_t late;

static const char *there(const char *path, char *full) {
    usleep(late);
    snprintf(full, PATH_MAX, "%s%s", folder, path);
    return full;
}

static void *init(struct fuse_conn_info *connection, struct fuse_config *config) {
    (void)connection;
    config->entry_timeout = config->attr_timeout = config->negative_timeout = 0; /* nothing is remembered */
    config->use_ino = 1;
    return NULL;
}

static int get_attributes(const char *path, struct stat *found, struct fuse_file_info *file) {
    char full[PATH_MAX];
    (void)file;
    return lstat(there(path, full), found) ? -errno : 0;
}

static int read_link(const char *path, char *target, size_t size) {
    char full[PATH_MAX];
    ssize_t length = readlink(there(path, full), target, size - 1);
    if (length < 0)
        return -errno;
    target[length] = 0;
    return 0;
}

static int list(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *file,
                enum fuse_readdir_flags flags) {
    char full[PATH_MAX];
    struct dirent *entry;
    (void)offset, (void)file, (void)flags;
    DIR *opened = opendir(there(path, full));
    if (!opened)
        return -errno;
    while ((entry = readdir(opened)))
        fill(buffer, entry->d_name, NULL, 0, 0);
    closedir(opened);
    return 0;
}

static int open_file(const char *path, struct fuse_file_info *file) {
    char full[PATH_MAX];
    int opened = open(there(path, full), file->flags);
    if (opened < 0)
        return -errno;
    file->fh = opened;
    return 0;
}

static int read_file(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *file) {
    (void)path;
    usleep(late);
    ssize_t length = pread(file->fh, buffer, size, offset);
    return length < 0 ? -errno : (int)length;
}

static int close_file(const char *path, struct fuse_file_info *file) {
    (void)path;
    return close(file->fh) ? -errno : 0;
}

static const struct fuse_operations calls = {
    .init = init,
    .getattr = get_attributes,
    .readlink = read_link,
    .readdir = list,
    .open = open_file,
    .read = read_file,
    .release = close_file,
};

int main(int count, char **arguments) {
    if (count < 4)
        return 2;
    folder = realpath(arguments[1], NULL);
    late = (useconds_t)atoi(arguments[2]);
    arguments[2] = arguments[0];
    return fuse_main(count - 2, arguments + 2, &calls, NULL);
}
