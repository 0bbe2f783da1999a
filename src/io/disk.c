/* Whole files in and out. */
#include "io/disk.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pnb_status pnb_disk_read(pnb_error *err, const char *path, size_t limit, unsigned char **bytes, size_t *size) {
    *bytes = NULL;
    *size = 0;
    FILE *f = fopen(path, "rb");
    if (!f) return pnb_fail(err, PNB_ERROR_INPUT, "file '%s': cannot be opened: %s", path, strerror(errno));
    size_t n = 0, room = 0;
    unsigned char *data = NULL;
    pnb_status status = PNB_OK;
    for (;;) {
        if (n == room) {
            room = room ? room * 2 : 65536;
            unsigned char *more = realloc(data, room + 1);
            if (!more) {
                status = pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for %zu bytes", path, room);
                break;
            }
            data = more;
        }
        size_t got = fread(data + n, 1, room - n, f);
        n += got;
        if (n > limit) {
            status = pnb_fail(err, PNB_ERROR_INPUT, "file '%s': longer than the limit of %zu bytes", path, limit);
            break;
        }
        if (ferror(f)) {
            status = pnb_fail(err, PNB_ERROR_INPUT, "file '%s': cannot be read: %s", path, strerror(errno));
            break;
        }
        if (got == 0) break;
    }
    fclose(f);
    if (status != PNB_OK) {
        free(data);
        return status;
    }
    data[n] = 0;
    *bytes = data;
    *size = n;
    return PNB_OK;
}

pnb_status pnb_disk_write(pnb_error *err, const char *path, const void *bytes, size_t size) {
    size_t length = strlen(path) + 5;
    char *temporary = malloc(length);
    if (!temporary) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory for its name", path);
    snprintf(temporary, length, "%s.tmp", path);
    pnb_status status = PNB_OK;
    FILE *f = fopen(temporary, "wb");
    if (!f) {
        status = pnb_fail(err, PNB_ERROR_INPUT, "file '%s': cannot be created: %s", temporary, strerror(errno));
        free(temporary);
        return status;
    }
    bool ok = fwrite(bytes, 1, size, f) == size;
    if (fclose(f) != 0) ok = false;
    if (!ok || rename(temporary, path) != 0) {
        status = pnb_fail(err, PNB_ERROR_INPUT, "file '%s': cannot be written: %s", path, strerror(errno));
        remove(temporary);
    }
    free(temporary);
    return status;
}
