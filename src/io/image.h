/* PNG and JPEG pictures in, PNG pictures out.
 *
 * In memory an image is a pnb_array [C, H, W] of floats in [0, 1], as the file has them (no gamma is applied or
 * undone), C = 1 (grey) or 3 (RGB). 8 and 16 bit are read; palettes are expanded; alpha is dropped. Grey becomes RGB by
 * repetition, RGB becomes grey by the luma of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B). Faults of a file are
 * PNB_ERROR_INPUT. */
#ifndef PNB_IO_IMAGE_H
#define PNB_IO_IMAGE_H

#include "io/array.h"

enum { PNB_IMAGE_MAX_PIXELS = 1 << 26, PNB_IMAGE_MAX_SIDE = 1 << 16, PNB_IMAGE_MAX_BYTES = 1 << 29 };

/* channels: 0 keeps what the file has (grey or RGB), 1 and 3 convert. *out is owned by the caller (pnb_array_free). A
 * picture whose checksums are wrong or that is cut short is an error, never a partly grey picture. */
pnb_status pnb_image_read(pnb_error *err, const char *path, uint32_t channels, pnb_array *out);

/* The same from memory; `name` stands in error sentences. */
pnb_status pnb_image_decode(pnb_error *err, const char *name, const unsigned char *bytes, size_t size,
                            uint32_t channels, pnb_array *out);

/* Converts [C, H, W] in place between 1 and 3 channels. */
pnb_status pnb_image_set_channels(pnb_error *err, pnb_array *image, uint32_t channels);

/* Writes `channels` (1 or 3) planes of height x width floats as an 8-bit PNG, atomically. Values are clamped to [0, 1]
 * and rounded; a value that is not finite is PNB_ERROR_NUMERIC and nothing is written. */
pnb_status pnb_image_write_png(pnb_error *err, const char *path, uint32_t channels, uint32_t height, uint32_t width,
                               const float *chw);

/* Writes interleaved 8-bit samples [height][width][channels] as PNG, atomically. */
pnb_status pnb_image_write_png_u8(pnb_error *err, const char *path, uint32_t channels, uint32_t height, uint32_t width,
                                  const unsigned char *hwc);

#endif
