// Of each visibility V: its real and imaginary part, |V|, ln |V| and arg V. |V| below 1e-12 counts as 1e-12.
// GRAD, with d|V| = Re(V* dV)/|V|, d ln|V| = Re(V* dV)/|V|^2, d arg V = Im(V* dV)/|V|^2.
// Layout: v, gv [N, 2, count], f, gf [N, 5, count].
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant grad GRAD=1
#include "lib/vec4.glsl"
#include "lib/math.glsl"
#include "measure/vlbi_push.h"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, v)
#ifdef GRAD
PNB_BUFFER(1, gf)
PNB_OUT(2, gv)
#else
PNB_OUT(1, f)
#endif

void main() {
    PNB_EACH(i, p.batch * p.count) {
        uint n = i / p.count, k = i - n * p.count;
        uint at = 2u * n * p.count + k, to = VLBI_BLOCKS * n * p.count + k;
        float re = v1(at), im = v1(at + p.count);
        float square = max(re * re + im * im, 1e-24), size = sqrt(square);
#ifdef GRAD
        float along = gf1(to + VLBI_AMPLITUDE * p.count) / size + gf1(to + VLBI_LOG * p.count) / square;
        float across = gf1(to + VLBI_PHASE * p.count) / square;
        gv1_set(at, gf1(to + VLBI_RE * p.count) + along * re - across * im);
        gv1_set(at + p.count, gf1(to + VLBI_IM * p.count) + along * im + across * re);
#else
        f1_set(to + VLBI_RE * p.count, re);
        f1_set(to + VLBI_IM * p.count, im);
        f1_set(to + VLBI_AMPLITUDE * p.count, size);
        f1_set(to + VLBI_LOG * p.count, log(size));
        f1_set(to + VLBI_PHASE * p.count, pnb_angle(im, re));
#endif
    }
}
