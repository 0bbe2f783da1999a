/* Entries of a zip archive that are stored as they are, through libzip. */
#include "io/zip.h"

#include "base/file.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#ifdef PNB_LIBZIP

#include <sys/stat.h>
#include <zip.h>

struct pnb_zip {
    pnb_error *err;
    char *path;
    zip_t *archive;
    uint64_t file_bytes;
};

#define BAD(z, ...) pnb_fail((z)->err, PNB_ERROR_MODEL, __VA_ARGS__)

static pnb_status open_archive(pnb_zip *z) {
    struct stat info;
    int code = 0;
    if (stat(z->path, &info) == 0) z->file_bytes = (uint64_t)info.st_size;
    z->archive = zip_open(z->path, ZIP_RDONLY, &code);
    if (z->archive) return PNB_OK;
    zip_error_t why;
    zip_error_init_with_code(&why, code);
    pnb_status status = BAD(z, "file '%s': a zip archive that cannot be read (%s): damaged or cut short", z->path,
                            zip_error_strerror(&why));
    zip_error_fini(&why);
    return status;
}

pnb_status pnb_zip_open(pnb_error *err, const char *path, pnb_zip **out) {
    *out = NULL;
    pnb_zip *z = calloc(1, sizeof *z);
    char *copy = pnb_copy_string(path);
    if (!z || !copy) {
        free(z);
        free(copy);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory to open it", path);
    }
    *z = (pnb_zip){.err = err, .path = copy};
    pnb_status status = open_archive(z);
    if (status == PNB_OK)
        *out = z;
    else
        pnb_zip_close(z);
    return status;
}

void pnb_zip_close(pnb_zip *z) {
    if (!z) return;
    if (z->archive) zip_discard(z->archive);
    free(z->path);
    free(z);
}

uint64_t pnb_zip_count(const pnb_zip *z) {
    zip_int64_t n = zip_get_num_entries(z->archive, 0);
    return n > 0 ? (uint64_t)n : 0;
}

const char *pnb_zip_name(const pnb_zip *z, uint64_t i) {
    return zip_get_name(z->archive, i, ZIP_FL_ENC_RAW);
}

pnb_status pnb_zip_find(const pnb_zip *z, const char *name, uint64_t *i, uint64_t *bytes) {
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t info;
    zip_int64_t at = zip_name_locate(z->archive, name, ZIP_FL_ENC_RAW);
    if (at < 0) return BAD(z, "file '%s': its entry '%.200s' is missing", z->path, name);
    if (zip_stat_index(z->archive, (zip_uint64_t)at, 0, &info) != 0 || (info.valid & needed) != needed)
        return BAD(z, "file '%s': entry '%.200s': its header is damaged", z->path, name);
    if (info.comp_method != ZIP_CM_STORE || info.encryption_method != ZIP_EM_NONE)
        return BAD(z, "file '%s': entry '%.200s' is compressed or encrypted, which PyTorch never does: not read",
                   z->path, name);
    if (info.size != info.comp_size || info.size > z->file_bytes)
        return BAD(z, "file '%s': entry '%.200s' claims %llu bytes, stored as %llu, of a file of %llu", z->path, name,
                   (unsigned long long)info.size, (unsigned long long)info.comp_size,
                   (unsigned long long)z->file_bytes);
    *i = (uint64_t)at;
    *bytes = info.size;
    return PNB_OK;
}

pnb_status pnb_zip_read(const pnb_zip *z, uint64_t i, uint64_t bytes, unsigned char *out) {
    zip_file_t *entry = zip_fopen_index(z->archive, i, 0);
    const char *name = pnb_zip_name(z, i);
    uint64_t done = 0;
    zip_int64_t n = entry ? 1 : -1;
    unsigned char beyond;
    while (n > 0 && done < bytes) {
        n = zip_fread(entry, out + done, bytes - done);
        if (n > 0) done += (uint64_t)n;
    }
    /* libzip compares the checksum where an entry ends. */
    bool good = n >= 0 && done == bytes && zip_fread(entry, &beyond, 1) == 0;
    if (entry) zip_fclose(entry);
    return good ? PNB_OK
                : BAD(z, "file '%s': entry '%.200s' is damaged: its bytes are fewer or its checksum is wrong", z->path,
                      name ? name : "?");
}

#else

pnb_status pnb_zip_open(pnb_error *err, const char *path, pnb_zip **out) {
    *out = NULL;
    return pnb_fail(
        err, PNB_ERROR_MODEL,
        "file '%s': a PyTorch file in zip format, and this penumbra was built without libzip: build it with "
        "libzip's development files, or save the state dict as safetensors",
        path);
}

void pnb_zip_close(pnb_zip *z) {
    (void)z;
}

uint64_t pnb_zip_count(const pnb_zip *z) {
    (void)z;
    return 0;
}

const char *pnb_zip_name(const pnb_zip *z, uint64_t i) {
    (void)z, (void)i;
    return NULL;
}

pnb_status pnb_zip_find(const pnb_zip *z, const char *name, uint64_t *i, uint64_t *bytes) {
    (void)z, (void)name, (void)i, (void)bytes;
    return PNB_ERROR_INTERNAL; /* no archive was ever opened */
}

pnb_status pnb_zip_read(const pnb_zip *z, uint64_t i, uint64_t bytes, unsigned char *out) {
    (void)z, (void)i, (void)bytes, (void)out;
    return PNB_ERROR_INTERNAL;
}

#endif
