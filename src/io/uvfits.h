/* UVFITS: visibilities as random groups, antennas in a binary table "AIPS AN", frequencies in "AIPS FQ" (AIPS Memo
 * 117).
 *
 * Read: one frequency channel; any order of the parameters, each scaled by its PSCAL and PZERO, those of one name added
 * up (DATE); hands of circular or linear polarisation, or Stokes I. I = (RR + LL)/2; where one hand is flagged, the
 * other alone is taken as I. Weights of 0 or less are flags; an infinite weight (the cross hands of files without
 * polarisation) carries nothing. Written: as the EHT's releases have it, RR = LL = I, no cross hands. Needs a build
 * with cfitsio. */
#ifndef PNB_IO_UVFITS_H
#define PNB_IO_UVFITS_H

#include "io/uvdata.h"

/* Appends to *out, which is empty. PNB_ERROR_INPUT: damaged, cut short, sizes that do not fit the file, several
 * channels, or a build without cfitsio. */
pnb_status pnb_uvfits_parse(pnb_error *err, const void *bytes, size_t size, pnb_uvdata *out);
/* Atomically. Unknown coordinates of the source are written as 0. */
pnb_status pnb_uvfits_write(pnb_error *err, const char *path, const pnb_uvdata *d);

#endif
