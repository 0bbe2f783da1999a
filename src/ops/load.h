/* How the fast kernels (conv2d, matmul) read their vec4 operands on a device, and how wide their workgroups are.
 *
 * Each such shader exists in three variants, "ops/x", "ops/x.texel", "ops/x.spread": storage buffers; texel buffers (straight
 * vector loads on software drivers); and texel buffers where operands that are the same for a whole subgroup are loaded once,
 * a vec4 a lane, and shuffled out. */
#ifndef PNB_OPS_LOAD_H
#define PNB_OPS_LOAD_H

#include "graph/op.h"

typedef enum pnb_load { PNB_LOAD_STORAGE, PNB_LOAD_TEXEL, PNB_LOAD_SPREAD } pnb_load;

/* The variant for two operands read as vec4s: texels only where both fit a texel buffer. One of 16-bit floats must be read so; then
 * the other has to fit. Storage buffers where there are quads, whose drivers want kernels of their own. */
pnb_load pnb_load_choose(const pnb_lower *l, pnb_tensor a, pnb_tensor b);

/* Whether kernels are made for quads here: software drivers that gain nothing from texels over a whole subgroup of eight lanes. Such
 * kernels ("ops/matmul_quad", "ops/conv2d_winograd_multiply.quad") say why. */
bool pnb_load_quad(const pnb_lower *l);

/* Whether a tensor fits a texel buffer of the device. */
bool pnb_load_fits_texel(const pnb_lower *l, pnb_tensor t);

/* A workgroup's size for `count` invocations that are heavy each. On a CPU one subgroup, whatever the count, for each size is compiled
 * anew there; larger only where there would be more workgroups than devices take. */
uint32_t pnb_load_local(const pnb_lower *l, uint64_t count);

/* Whether the device allows this many workgroups in each dimension. */
bool pnb_load_groups_fit(const pnb_lower *l, const uint64_t groups[3]);

#endif
