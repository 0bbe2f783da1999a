/* TIFF in and out: the stacks of microscopes, 8 and 16 bits or float, with the size of a pixel. Needs a build with libtiff (4.5).
 *
 * Read are plain, LZW, deflate and PackBits pages in strips or tiles, of 8, 16 and 32 bit integers and 32 and 64 bit floats, grey
 * or RGB (a fourth sample, alpha, is dropped); all pages of a file have one size. Pixel sizes come from ImageJ's and OME's
 * descriptions or from the resolution in centimetres; one in inches is a printer's and says nothing of the specimen. */
#ifndef PNB_IO_TIFF_H
#define PNB_IO_TIFF_H

#include "io/array.h"

typedef struct pnb_tiff_info {
    uint32_t bits; /* of a sample */
    bool integer;  /* else floating point */
    bool white_is_zero;
    double least, largest; /* that an integer can be; 0 and 1 of floats */
    double pixel_nm[2];    /* width and height of a pixel; 0: not known */
} pnb_tiff_info;

enum { PNB_TIFF_MAX_PAGES = 1 << 16, PNB_TIFF_MAX_VALUES = 1 << 28 };

/* All pages as [N,C,H,W], the file's own numbers (counts of a camera stay counts). Damaged, cut short, absurdly large, with values
 * that are not finite, or of a kind that is not read: PNB_ERROR_INPUT. info may be NULL. *out is freed with pnb_array_free. */
pnb_status pnb_tiff_read(pnb_error *err, const char *path, pnb_tiff_info *info, pnb_array *out);
/* The same from memory; `name` stands in error sentences. */
pnb_status pnb_tiff_parse(pnb_error *err, const char *name, const void *bytes, size_t size, pnb_tiff_info *info, pnb_array *out);
/* Whether bytes begin as a TIFF does (classic or BigTIFF). */
bool pnb_tiff_magic(const unsigned char *bytes, size_t size);

/* data [pages,channels,height,width] (1 or 3 channels) as 32-bit floats, a page each, uncompressed; atomically. With pixel_nm (NULL or
 * 0: not known) the size of a pixel stands in it as ImageJ and Bio-Formats read it. Values must be finite (PNB_ERROR_NUMERIC). */
pnb_status pnb_tiff_write(pnb_error *err, const char *path, uint32_t pages, uint32_t channels, uint32_t height, uint32_t width,
                          const float *data, const double pixel_nm[2]);

#endif
