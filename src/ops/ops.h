/* The builders of all ops: each checks shapes, appends a node and returns the result tensor(s).
 *
 * Errors are sentences: "conv2d: weight expects 64 input channels, x has 48". Optional inputs are PNB_NONE.
 * Every op is differentiable with respect to every float input unless its comment says otherwise.
 * graph/ (same floor) uses add, embed0, add_rows and slice_copy for autodiff and views.
 */
#ifndef PNB_OPS_OPS_H
#define PNB_OPS_OPS_H

#include "graph/graph.h"
#include "lib/border.h"

/* ---- conv2d.c: y[n,o,i,j] = b[o] + sum_{c,u,v} w[o,c,u,v] x[n,c, i*stride+u-pad, j*stride+v-pad]; weights [O,C,kh,kw] */
pnb_status pnb_conv2d(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor bias, uint32_t stride, uint32_t pad, pnb_tensor *y);
/* ---- conv2d_weight_grad.c: its gradient in a weight of this shape, for the output's gradient gy; no derivative */
pnb_status pnb_conv2d_weight_grad(pnb_graph *g, pnb_tensor x, pnb_tensor gy, pnb_shape weight, uint32_t stride, uint32_t pad, pnb_tensor *gw);

/* ---- conv2d_winograd.c: a 3x3 convolution with stride 1 and padding 1, of any size, in tiles of tile x tile pixels (2 or
 * 4). With flip weight is [C,O,3,3], its channels exchanged and taps reversed: the input gradient of a convolution with it.
 * The caller has checked the shapes. */
pnb_status pnb_conv2d_winograd(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor bias, bool flip, uint32_t tile, pnb_tensor *y);

/* ---- linear.c: y[n,o] = b[o] + sum_i w[o,i] x[n,i]; x [N,I], weight [O,I] (PyTorch's order) */
pnb_status pnb_linear(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor bias, pnb_tensor *y);

/* ---- low_rank.c: y with scale * Up(Down(x)) added to its rows [begin,...) of dimension 0, in place on y. x [N,C,H,W], down [r,C,kh,kw],
 * up [O,r,1,1], y the shape of a convolution with this kernel, stride and pad; or x [N,C], down [r,C], up [O,r] (stride 1, pad 0). */
pnb_status pnb_low_rank(pnb_graph *g, pnb_tensor y, pnb_tensor x, pnb_tensor down, pnb_tensor up, uint32_t stride, uint32_t pad,
                        uint32_t begin, float scale, pnb_tensor *out);

/* ---- matmul.c: c[b] = scale * op(a[b]) op(bm[b]); a [B,M,K] ([B,K,M] if trans_a), bm [B,K,N] ([B,N,K] if trans_b); rank 2 = B 1.
 * A batch of 1 on either side is broadcast. */
pnb_status pnb_matmul(pnb_graph *g, pnb_tensor a, pnb_tensor b, bool trans_a, bool trans_b, float scale, pnb_tensor *c);

/* ---- group_norm.c: per (n, group): biased variance over (C/groups,H,W), y = (x-mean)/sqrt(var+eps)*gamma+beta;
 * then, if scale_shift [N,2C] is given, y*(1+scale)+shift (scale = first C columns); then SiLU if silu. x [N,C,H,W] or [N,C,T]. */
pnb_status pnb_group_norm(pnb_graph *g, pnb_tensor x, pnb_tensor gamma, pnb_tensor beta, pnb_tensor scale_shift, uint32_t groups,
                          float eps, bool silu, pnb_tensor *y);

/* ---- elementwise.c: shapes equal, or b is [N] / [N,1..] against a [N,...] (one value a sample), or [1] */
typedef enum pnb_binary { PNB_ADD, PNB_SUB, PNB_MUL, PNB_DIV, PNB_MAX, PNB_MIN } pnb_binary;
pnb_status pnb_binary_op(pnb_graph *g, pnb_binary kind, pnb_tensor a, pnb_tensor b, pnb_tensor *y); /* MAX and MIN: no derivative */
pnb_status pnb_add(pnb_graph *g, pnb_tensor a, pnb_tensor b, pnb_tensor *y);
pnb_status pnb_sub(pnb_graph *g, pnb_tensor a, pnb_tensor b, pnb_tensor *y);
pnb_status pnb_mul(pnb_graph *g, pnb_tensor a, pnb_tensor b, pnb_tensor *y);
typedef enum pnb_unary { PNB_SILU, PNB_TANH, PNB_EXP, PNB_LOG, PNB_SQRT, PNB_SQUARE, PNB_ABS, PNB_NEG, PNB_RECIP, PNB_SIGMOID, PNB_RELU } pnb_unary;
pnb_status pnb_unary_op(pnb_graph *g, pnb_unary kind, pnb_tensor x, pnb_tensor *y);
pnb_status pnb_silu(pnb_graph *g, pnb_tensor x, pnb_tensor *y);
pnb_status pnb_affine(pnb_graph *g, pnb_tensor x, float scale, float shift, pnb_tensor *y); /* scale*x + shift */
pnb_status pnb_clamp(pnb_graph *g, pnb_tensor x, float lo, float hi, pnb_tensor *y);        /* gradient inside (lo,hi) only */
/* ---- axpby.c: y = ca*a + cb*b, coefficients constant, or per sample tensors [N] (PNB_NONE: the constants alone; both multiply) */
pnb_status pnb_axpby(pnb_graph *g, float ca, pnb_tensor ta, pnb_tensor a, float cb, pnb_tensor tb, pnb_tensor b, pnb_tensor *y); /* no derivative in ta, tb */
/* ---- concat.c, slice.c, embed.c */
pnb_status pnb_concat(pnb_graph *g, uint32_t dim, const pnb_tensor *x, uint32_t n, pnb_tensor *y); /* 1 <= n <= 8 */
pnb_status pnb_slice(pnb_graph *g, pnb_tensor x, uint32_t dim, uint32_t begin, uint32_t count, pnb_tensor *y); /* always a copy */
pnb_status pnb_embed(pnb_graph *g, pnb_tensor x, uint32_t dim, uint32_t begin, uint32_t size, pnb_tensor *y);  /* adjoint of slice: zeros around x */
pnb_status pnb_add_rows(pnb_graph *g, pnb_tensor a, pnb_tensor b, uint32_t begin, float scale, pnb_tensor *y); /* a, with scale*b added to rows [begin,...) of dim 0; in place on a, and in one go where the op that made b can (add_to) */
/* ---- pad.c: x [N,C,H,W] with `before` rows and columns in front and `after` behind, from what a border says (PNB_BORDER_*: mirrored
 * without repeating the edge, the image again, zeros; lib/border.h); at most H - 1 or W - 1 of them. pnb_fold is its adjoint: it takes
 * off such margins and adds what lies there to where it came from. Indices: 0 rows, 1 columns. */
extern const char *const pnb_border_names[]; /* for tables of options; NULL at its end */
pnb_status pnb_pad(pnb_graph *g, pnb_tensor x, uint32_t border, const uint32_t before[2], const uint32_t after[2], pnb_tensor *y);
pnb_status pnb_fold(pnb_graph *g, pnb_tensor y, uint32_t border, const uint32_t before[2], const uint32_t after[2], pnb_tensor *x);
/* ---- copy.c */
pnb_status pnb_copy(pnb_graph *g, pnb_tensor x, pnb_tensor *y);
pnb_status pnb_assign(pnb_graph *g, pnb_tensor storage, pnb_tensor value); /* writes value into a VARIABLE storage (or aligned view); no derivative */
pnb_status pnb_constant(pnb_graph *g, pnb_shape shape, float value, pnb_tensor *y); /* fill */
/* ---- transpose.c: y[.., perm] (rank <= 4): y's dimension i is x's dimension perm[i] */
pnb_status pnb_transpose(pnb_graph *g, pnb_tensor x, const uint32_t perm[4], pnb_tensor *y);
/* ---- fft.c: complex tensors have a last dimension of 2 (real, imaginary). The Fourier transform along the 1 or 2 dimensions before it,
 * of any length: forward sum_j x_j exp(-2 pi i j k / n); inverse with + and 1/n; with unitary both have 1/sqrt(n) instead */
pnb_status pnb_fft(pnb_graph *g, pnb_tensor x, uint32_t dims, bool inverse, bool unitary, pnb_tensor *y);
uint32_t pnb_fft_length(uint32_t least); /* the length from `least` on that costs least */
/* x [..,W] real as complex numbers [..,W,2], for x of rank 3 at most; and the real parts of [..,W,2] as [..,W] */
pnb_status pnb_complex_of_real(pnb_graph *g, pnb_tensor x, pnb_tensor *y);
pnb_status pnb_real_of_complex(pnb_graph *g, pnb_tensor x, pnb_tensor *y);
/* The transform of real numbers [..,W], rank 3 at most: its first W / 2 + 1 columns [..,W/2+1,2], of which the others are conjugates */
pnb_status pnb_fft_real(pnb_graph *g, pnb_tensor x, uint32_t dims, bool unitary, pnb_tensor *y);
/* ---- complex_mul.c: x [.., shape of table] times table, or its conjugate, both complex; no derivative in the table */
pnb_status pnb_complex_mul(pnb_graph *g, pnb_tensor x, pnb_tensor table, bool conjugate, pnb_tensor *y);
/* ---- complex_abs.c: |z| of z [..,2], [..]; the gradient at 0 is 0 */
pnb_status pnb_complex_abs(pnb_graph *g, pnb_tensor z, pnb_tensor *y);
/* ---- upsample.c, pool.c: x [N,C,H,W], integer factor */
pnb_status pnb_upsample_nearest(pnb_graph *g, pnb_tensor x, uint32_t factor, pnb_tensor *y);
pnb_status pnb_avg_pool(pnb_graph *g, pnb_tensor x, uint32_t factor, pnb_tensor *y); /* H, W multiples of factor */
/* ---- tile.c: images in overlapping tiles. tile x tile pixels (or the image's side where that is shorter), neighbours sharing `overlap`
 * pixels or a little more: 1 to half of a tile. pnb_tile: x [N,C,height,width] -> y [N*rows*columns,C,h,w], the tiles of one image one
 * behind the other, by rows. pnb_tile_blend: back, where tiles overlap their mean with weights that fall towards their edges. */
typedef struct pnb_tiling { uint32_t height, width, tile_height, tile_width, rows, columns, overlap; } pnb_tiling;
pnb_status pnb_tiling_make(pnb_error *err, uint32_t height, uint32_t width, uint32_t tile, uint32_t overlap, pnb_tiling *out);
pnb_status pnb_tile(pnb_graph *g, pnb_tensor x, const pnb_tiling *t, pnb_tensor *y);
pnb_status pnb_tile_blend(pnb_graph *g, pnb_tensor y, const pnb_tiling *t, pnb_tensor *x);
/* ---- reduce.c: fixed order, so the same bytes each time */
typedef enum pnb_reduce { PNB_SUM, PNB_MEAN, PNB_SQNORM } pnb_reduce;
pnb_status pnb_reduce_all(pnb_graph *g, pnb_reduce kind, pnb_tensor x, pnb_tensor *y);    /* -> [1] */
pnb_status pnb_reduce_rows(pnb_graph *g, pnb_reduce kind, pnb_tensor x, pnb_tensor *y);   /* [N,...] -> [N] */
pnb_status pnb_reduce_dim0(pnb_graph *g, pnb_reduce kind, pnb_tensor x, pnb_tensor *y);   /* [N,...] -> [1,...] */
pnb_status pnb_reduce_channels(pnb_graph *g, pnb_tensor x, pnb_tensor *y);               /* [N,C,H,W] or [N,C] -> [C]: sum over n, h, w (bias gradients) */
/* ---- softmax.c: over the last dimension, max-subtracted */
pnb_status pnb_softmax(pnb_graph *g, pnb_tensor x, pnb_tensor *y);
/* ---- attention.c: qkv [N,3C,T] -> [N,C,T]; q and k scaled by width^-1/4 each, softmax over keys in fp32 */
typedef enum pnb_qkv_order {
    PNB_QKV_LEGACY,     /* [head][q|k|v][channel]  (ADM default)      */
    PNB_QKV_NEW,        /* [q|k|v][head][channel]  (ADM new order)    */
    PNB_QKV_INTERLEAVED /* [head][channel][q|k|v]  (EDM code base)    */
} pnb_qkv_order;
pnb_status pnb_attention(pnb_graph *g, pnb_tensor qkv, uint32_t heads, pnb_qkv_order order, pnb_tensor *y);
/* ---- timestep_embedding.c: t [N] (float, may be fractional) -> [N,dim]; no derivative. sin_first: [sin,cos] instead of [cos,sin].
 * endpoint: frequencies max_period^(-i/(half-1)) instead of max_period^(-i/half). */
pnb_status pnb_timestep_embedding(pnb_graph *g, pnb_tensor t, uint32_t dim, float max_period, bool sin_first, bool endpoint, pnb_tensor *y);
/* ---- lookup.c: table [V,D], index [N] (floats holding integers) -> [N,D]; derivative in table only */
pnb_status pnb_lookup(pnb_graph *g, pnb_tensor table, pnb_tensor index, pnb_tensor *y);
/* ---- noise.c: N(0,1) or U[0,1) from Philox4x32-10 with key = seed, counter = (element/4, step, stream, 0); step is read on the device
 * from state[step_index] (uint bits in a float tensor), so that a replay draws afresh; state PNB_NONE: step 0. No derivative. */
pnb_status pnb_noise_normal(pnb_graph *g, pnb_shape shape, uint64_t seed, uint32_t stream, pnb_tensor state, uint32_t step_index, pnb_tensor *y);
pnb_status pnb_noise_uniform(pnb_graph *g, pnb_shape shape, uint64_t seed, uint32_t stream, pnb_tensor state, uint32_t step_index, pnb_tensor *y);
/* ---- adam.c: one step on storage `w` in place, moments m and v in place (same shapes, VARIABLE). Scalars on the device:
 * state[lr_index], state[lr_index+1] = 1-beta1^t, state[lr_index+2] = 1-beta2^t. PyTorch's Adam; decoupled decay if decay > 0
 * (AdamW). gscale multiplies the gradient first, and state[clip_index] where clip_index is not 0. grad may be [elements, parts], parts a
 * multiple of 4: their sum. No derivative. */
typedef struct pnb_adam { float beta1, beta2, eps, decay, gscale; uint32_t lr_index, clip_index, ema_index; } pnb_adam;
pnb_status pnb_adam_step(pnb_graph *g, pnb_tensor w, pnb_tensor m, pnb_tensor v, pnb_tensor grad, pnb_tensor state, pnb_adam params);
/* The same for n tensors (grad[i] PNB_NONE: left alone). Those that pnb_store_group laid one behind the other, as their moments are,
 * take one dispatch together; the order of the arrays does not matter. ema: running means of the tensors, NULL or n of the same
 * shapes, which then move by state[ema_index] times the way to them. */
pnb_status pnb_adam_steps(pnb_graph *g, const pnb_tensor *w, const pnb_tensor *m, const pnb_tensor *v, const pnb_tensor *ema,
                          const pnb_tensor *grad, size_t n, pnb_tensor state, pnb_adam params);
/* ---- clip.c: state[index] = min(1, max_norm/(norm + 1e-6)) with norm that of gscale times all n gradients together, as PyTorch's
 * clip_grad_norm_ has it, and state[index+1] = norm: for pnb_adam's clip_index. max_norm 0: no limit. No derivative. */
pnb_status pnb_clip_norm(pnb_graph *g, const pnb_tensor *grad, size_t n, float gscale, float max_norm, pnb_tensor state, uint32_t index);

#endif
