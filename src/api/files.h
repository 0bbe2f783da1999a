/* Reading and writing the files that problems and outputs are made of. */
#ifndef PNB_API_FILES_H
#define PNB_API_FILES_H

#include "api/handles.h"

/* NPY as it is; PNG and JPEG mapped to [-1,1], converted to `channels` (0: as the file has). Freed with pnb_array_free.
 */
pnb_status pnb_values_read(pnb_error *err, const char *path, uint32_t channels, pnb_array *out, bool *is_image);
/* data [channels,height,width] of [-1,1], clamped. */
pnb_status pnb_values_write_png(pnb_error *err, const char *path, const float *data, uint32_t channels, uint32_t height,
                                uint32_t width);

#endif
