/* FITS images of the sky, with coordinates that astronomical tools understand. Needs a build with cfitsio.
 *
 * Here rows go from north to south and columns from east to west; in the file, as is usual, rows go northwards. The
 * centre of the image, (width/2 + 1/2, height/2 + 1/2) in FITS pixels, is the source's position (RA---SIN, DEC--SIN).
 */
#ifndef PNB_IO_FITS_H
#define PNB_IO_FITS_H

#include "base/status.h"
#include "io/array.h"

typedef struct pnb_fits_sky {
    const char *object; /* "M87" */
    const char *unit;   /* "JY/PIXEL" */
    double ra, dec;     /* degrees, J2000; NAN: not known, 0 is written */
    double pixel_uas;   /* side of a pixel, micro-arcseconds */
    double frequency;   /* Hz; 0: not known */
    double mjd;         /* 0: not known */
    double beam_uas[2],
        beam_angle; /* restoring beam, full widths at half maximum (the larger first), degrees east of north; 0: none */
} pnb_fits_sky;

/* data [planes,height,width]; planes 0: one image without an axis for them. Values must be finite. Atomically. */
pnb_status pnb_fits_write_image(pnb_error *err, const char *path, uint32_t planes, uint32_t height, uint32_t width,
                                const float *data, const pnb_fits_sky *sky);

/* The first image of a file as [H,W] or [C,H,W], rows from north to south; pixel_uas (may be NULL) is 0 where the
 * header does not say. Damaged, cut short or absurdly large: PNB_ERROR_INPUT. */
pnb_status pnb_fits_read_image(pnb_error *err, const char *path, pnb_array *out, double *pixel_uas);

#endif
