/* What the users of cfitsio share: files in memory, so that reads are bounded and writes appear whole, and sentences.
 */
#ifndef PNB_IO_CFITSIO_H
#define PNB_IO_CFITSIO_H

#include "base/status.h"

#ifdef PNB_CFITSIO
#include <fitsio.h>

typedef struct pnb_fits_file {
    fitsfile *fits;
    void *bytes; /* of a file that is being written */
    size_t size;
    int status; /* cfitsio's: once it is not 0, its functions do nothing */
} pnb_fits_file;

/* bytes are borrowed until the file is closed. */
pnb_status pnb_fits_open(pnb_error *err, const void *bytes, size_t size, pnb_fits_file *out);
/* Fails unless the data of the current header lie in the file: cfitsio itself reads on past the end of memory. */
pnb_status pnb_fits_whole(pnb_error *err, pnb_fits_file *f, const char *what);
pnb_status pnb_fits_create(pnb_error *err, pnb_fits_file *out);
/* Writes what was made to path, unless something failed, and closes. */
pnb_status pnb_fits_finish(pnb_error *err, pnb_fits_file *f, const char *path);
void pnb_fits_close(pnb_fits_file *f); /* harmless when closed */
/* A card of the header: `key`, with the number i behind it unless that is 0. comment may be NULL. */
void pnb_fits_put_number(pnb_fits_file *f, const char *key, int i, double value, const char *comment);
void pnb_fits_put_text(pnb_fits_file *f, const char *key, int i, const char *value);
/* cfitsio's complaint as a sentence that begins with `what`. */
pnb_status pnb_fits_fail(pnb_error *err, const pnb_fits_file *f, const char *what);
#endif

/* What a build without cfitsio says. */
pnb_status pnb_fits_absent(pnb_error *err, const char *what);

#endif
