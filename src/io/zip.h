/* Entries of a zip archive that are stored as they are: what PyTorch's files are made of. Reads with libzip, an option
 * of the build; without it opening fails with a sentence that says so.
 *
 * Nothing that is compressed is read, so an entry never takes more memory than the file has bytes. */
#ifndef PNB_IO_ZIP_H
#define PNB_IO_ZIP_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pnb_zip pnb_zip; /* one open archive; used by one thread at a time */

/* Every fault of an archive is PNB_ERROR_MODEL. err must outlive the handle. */
pnb_status pnb_zip_open(pnb_error *err, const char *path, pnb_zip **out);
void pnb_zip_close(pnb_zip *zip); /* NULL is accepted */

uint64_t pnb_zip_count(const pnb_zip *zip);
const char *pnb_zip_name(const pnb_zip *zip, uint64_t i); /* NULL where it has none; owned by the archive */

/* The number and size of an entry that must be there, stored and no larger than the file. */
pnb_status pnb_zip_find(const pnb_zip *zip, const char *name, uint64_t *i, uint64_t *bytes);
/* All bytes of entry i, as many as find gave; the checksum is compared. */
pnb_status pnb_zip_read(const pnb_zip *zip, uint64_t i, uint64_t bytes, unsigned char *out);

#endif
