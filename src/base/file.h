/* Files and paths: whole reads with a limit, writes that appear whole or not at all.
 *
 *     pnb_file_writer w;
 *     PNB_TRY(pnb_writer_open(err, path, &w));
 *     PNB_TRY_GOTO(pnb_writer_write(&w, data, bytes));   // as often as wanted
 *     return pnb_writer_commit(&w);                      // now the file is there
 *     fail: pnb_writer_abort(&w); return status;         // nothing is left behind
 */
#ifndef PNB_BASE_FILE_H
#define PNB_BASE_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The whole file into *data, for the caller to free(), with a zero byte after it that *bytes does not count. A file that is
 * not there, not a plain file or longer than max_bytes: PNB_ERROR_INPUT. */
pnb_status pnb_file_read(pnb_error *err, const char *path, uint64_t max_bytes, void **data, size_t *bytes);

/* Write to a temporary name beside path, sync, rename over path; what is no plain file, such as /dev/stdout or a pipe, is
 * written to as it is. Errors: PNB_ERROR_INPUT, with the system's reason. */
pnb_status pnb_file_write(pnb_error *err, const char *path, const void *data, size_t bytes);

typedef struct pnb_file_writer {
    pnb_error *err;
    FILE *file; /* NULL when closed */
    char *path, *temp; /* temp: NULL where path is written directly */
} pnb_file_writer;

pnb_status pnb_writer_open(pnb_error *err, const char *path, pnb_file_writer *w);
pnb_status pnb_writer_write(pnb_file_writer *w, const void *data, size_t bytes);
/* Closes in any case; after a failure the old file, if any, is untouched. */
pnb_status pnb_writer_commit(pnb_file_writer *w);
void pnb_writer_abort(pnb_file_writer *w); /* harmless after a commit */

bool pnb_file_exists(const char *path);
bool pnb_is_folder(const char *path);

/* Names in a folder but for those with a dot in front, sorted, so that the order does not depend on the file system. */
pnb_status pnb_names_in_folder(pnb_error *err, const char *path, char ***names, size_t *count);
void pnb_names_free(char **names, size_t count);
/* Make a folder and those above it; one that is there already is no error. */
pnb_status pnb_make_folders(pnb_error *err, const char *path);

/* New strings for the caller to free(); NULL without memory. */
char *pnb_path_join(const char *folder, const char *name); /* name alone where it is absolute or folder is NULL or "" */
char *pnb_path_folder(const char *path);                   /* "a/b.png": "a"; "b.png": "."; "/b": "/" */
const char *pnb_path_name(const char *path);               /* the part after the last '/', within path */

#endif
