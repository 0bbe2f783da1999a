/* Reading and writing the files that problems and outputs are made of. */
#ifndef PNB_API_FILES_H
#define PNB_API_FILES_H

#include "api/handles.h"

/* NPY, FITS and TIFF's floats as they are; PNG, JPEG and TIFF's integers mapped to [-1,1] from all that they can be; these converted
 * to `channels` (0: as the file has). A TIFF of several pages is [N,C,H,W]. Freed with pnb_array_free. */
pnb_status pnb_values_read(pnb_error *err, const char *path, uint32_t channels, pnb_array *out, bool *is_image);
pnb_status pnb_values_read_mapped(pnb_error *err, const char *path, uint32_t channels, pnb_value_map *map, pnb_array *out, bool *is_image);
/* data [n,channels,height,width] of values as a TIFF in the numbers of the file that map came from. deviations: only scaled. */
pnb_status pnb_values_write_tiff(pnb_error *err, const char *path, uint32_t n, uint32_t channels, uint32_t height, uint32_t width,
                                 const float *data, const pnb_value_map *map, bool deviations);
/* data [channels,height,width] of [-1,1], clamped. */
pnb_status pnb_values_write_png(pnb_error *err, const char *path, const float *data, uint32_t channels, uint32_t height,
                                uint32_t width);

#endif
