/* Files and paths: whole reads with a limit, writes that appear whole or not at all. */
#include "base/file.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pnb_status open_for_read(pnb_error *err, const char *path, uint64_t max_bytes, FILE **file, size_t *bytes) {
    struct stat st;
    *file = fopen(path, "rb");
    if (!*file) return pnb_fail(err, PNB_ERROR_INPUT, "file '%s': cannot be opened: %s", path, strerror(errno));
    const char *why = NULL;
    if (fstat(fileno(*file), &st) != 0) why = strerror(errno);
    else if (!S_ISREG(st.st_mode)) why = "not a plain file";
    if (why) {
        fclose(*file);
        return pnb_fail(err, PNB_ERROR_INPUT, "file '%s': cannot be read: %s", path, why);
    }
    if ((uint64_t)st.st_size > max_bytes || (uint64_t)st.st_size >= SIZE_MAX) {
        fclose(*file);
        return pnb_fail(err, PNB_ERROR_INPUT, "file '%s': %llu bytes, at most %llu are read", path, (unsigned long long)st.st_size,
                        (unsigned long long)max_bytes);
    }
    *bytes = (size_t)st.st_size;
    return PNB_OK;
}

pnb_status pnb_file_read(pnb_error *err, const char *path, uint64_t max_bytes, void **data, size_t *bytes) {
    FILE *file;
    size_t size = 0;
    *data = NULL;
    *bytes = 0;
    PNB_TRY(open_for_read(err, path, max_bytes, &file, &size));
    char *buffer = malloc(size + 1);
    size_t got = buffer ? fread(buffer, 1, size, file) : 0;
    fclose(file);
    if (!buffer) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for its %zu bytes", path, size);
    if (got != size) {
        free(buffer);
        return pnb_fail(err, PNB_ERROR_INPUT, "file '%s': reading stopped at byte %zu of %zu", path, got, size);
    }
    buffer[size] = 0;
    *data = buffer;
    *bytes = size;
    return PNB_OK;
}

/* ---- atomic writes ---------------------------------------------------------------------------------------------- */

static pnb_status write_failed(pnb_file_writer *w) {
    return pnb_fail(w->err, PNB_ERROR_INPUT, "file '%s': cannot be written: %s", w->path, errno ? strerror(errno) : "unknown reason");
}

/* Opens a new file beside the target, under a name that no other writer uses; -1 and errno if there is none. */
static int open_temp(pnb_file_writer *w) {
    for (int i = 0; i < 100; i++) {
        free(w->temp);
        w->temp = pnb_format("%s.%ld-%d.tmp", w->path, (long)getpid(), i);
        if (!w->temp) {
            errno = ENOMEM;
            return -1;
        }
        int fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

/* Whether something other than a plain file is there, such as a terminal or a pipe: that is written to, not replaced. */
static bool is_special(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

pnb_status pnb_writer_open(pnb_error *err, const char *path, pnb_file_writer *w) {
    pnb_status status = PNB_OK;
    *w = (pnb_file_writer){.err = err, .path = pnb_copy_string(path)};
    if (!w->path) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': out of memory", path);
    int fd = is_special(path) ? open(path, O_WRONLY | O_CLOEXEC) : open_temp(w);
    if (fd >= 0) w->file = fdopen(fd, "wb");
    if (!w->file) {
        status = write_failed(w);
        if (fd >= 0) close(fd);
        if (fd >= 0 && w->temp) remove(w->temp);
        pnb_writer_abort(w);
    }
    return status;
}

pnb_status pnb_writer_write(pnb_file_writer *w, const void *data, size_t bytes) {
    errno = 0;
    if (bytes && fwrite(data, 1, bytes, w->file) != bytes) return write_failed(w);
    return PNB_OK;
}

pnb_status pnb_writer_commit(pnb_file_writer *w) {
    errno = 0;
    bool good = fflush(w->file) == 0 && (!w->temp || fsync(fileno(w->file)) == 0);
    pnb_status status = good ? PNB_OK : write_failed(w);
    errno = 0;
    if (fclose(w->file) != 0 && good) status = write_failed(w);
    w->file = NULL;
    if (status == PNB_OK && w->temp && rename(w->temp, w->path) != 0) status = write_failed(w);
    if (status != PNB_OK && w->temp) remove(w->temp);
    pnb_writer_abort(w);
    return status;
}

void pnb_writer_abort(pnb_file_writer *w) {
    if (w->file) {
        fclose(w->file);
        if (w->temp) remove(w->temp);
    }
    free(w->path);
    free(w->temp);
    w->file = NULL;
    w->path = w->temp = NULL;
}

pnb_status pnb_file_write(pnb_error *err, const char *path, const void *data, size_t bytes) {
    pnb_file_writer w;
    PNB_TRY(pnb_writer_open(err, path, &w));
    pnb_status status = pnb_writer_write(&w, data, bytes);
    if (status == PNB_OK) return pnb_writer_commit(&w);
    pnb_writer_abort(&w);
    return status;
}

/* ---- folders and paths ------------------------------------------------------------------------------------------ */

bool pnb_file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

bool pnb_is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

pnb_status pnb_make_folders(pnb_error *err, const char *path) {
    char *part = pnb_copy_string(path);
    if (!part) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "folder '%s': out of memory", path);
    pnb_status status = PNB_OK;
    for (size_t i = 1; *part && status == PNB_OK; i++) {
        char c = part[i];
        if (c != '/' && c != 0) continue;
        part[i] = 0;
        int code = mkdir(part, 0777) == 0 ? 0 : errno;
        if (code && !pnb_is_folder(part)) {
            status = pnb_fail(err, PNB_ERROR_INPUT, "folder '%s': cannot be made: %s", part,
                              strerror(code == EEXIST ? ENOTDIR : code));
        }
        part[i] = c;
        if (c == 0) break;
    }
    free(part);
    return status;
}

char *pnb_path_join(const char *folder, const char *name) {
    if (name[0] == '/' || !folder || !*folder) return pnb_copy_string(name);
    return pnb_format("%s%s%s", folder, pnb_ends_with(folder, "/") ? "" : "/", name);
}

char *pnb_path_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return pnb_copy_string(".");
    if (slash == path) return pnb_copy_string("/");
    return pnb_format("%.*s", (int)(slash - path), path);
}

const char *pnb_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void pnb_names_free(char **names, size_t n) {
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
}

pnb_status pnb_names_in_folder(pnb_error *err, const char *path, char ***out, size_t *count) {
    DIR *folder = opendir(path);
    char **names = NULL;
    size_t n = 0, room = 0;
    pnb_status status = PNB_OK;
    if (!folder) return pnb_fail(err, PNB_ERROR_INPUT, "'%s': the folder cannot be read", path);
    for (struct dirent *e; status == PNB_OK && (e = readdir(folder));) {
        if (e->d_name[0] == '.') continue;
        if (n == room) {
            room = room ? 2 * room : 256;
            char **grown = realloc(names, room * sizeof *grown);
            if (!grown) {
                status = pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "'%s': no memory for its list", path);
                break;
            }
            names = grown;
        }
        names[n] = pnb_copy_string(e->d_name);
        if (names[n])
            n++;
        else
            status = pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "'%s': no memory for its list", path);
    }
    closedir(folder);
    if (status != PNB_OK) {
        pnb_names_free(names, n);
        return status;
    }
    if (n) qsort(names, n, sizeof *names, by_name);
    *out = names;
    *count = n;
    return PNB_OK;
}
