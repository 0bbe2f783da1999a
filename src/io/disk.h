/* Whole files in and out: read with a size limit, write atomically. */
#ifndef PNB_IO_DISK_H
#define PNB_IO_DISK_H

#include "base/status.h"

/* Reads a file of at most `limit` bytes; *bytes is malloc'd (one extra byte 0 follows the data), owned by the caller. */
pnb_status pnb_disk_read(pnb_error *err, const char *path, size_t limit, unsigned char **bytes, size_t *size);

/* Writes to "path.tmp" beside the file and renames: a reader sees the old file or the new one, never a part. */
pnb_status pnb_disk_write(pnb_error *err, const char *path, const void *bytes, size_t size);

#endif
