// r = w (a - y), the difference of a modelled and a measured value in units of the measurement's error, w = 1/sigma.
// Where w is negative the entry is an angle: r = 2 |w| sin((a - y)/2), whose square is 2 (1 - cos(a - y))/sigma^2, so that
// whole turns do not matter. GRAD: of that, ga = gr |w| cos((a - y)/2), or gr w.
// Layout: a, y, r [N, inner], w [inner].
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant grad GRAD=1
#include "lib/vec4.glsl"
#include "lib/math.glsl"
#include "measure/residual_push.h"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, a)
PNB_BUFFER(1, y)
PNB_BUFFER(2, w)
#ifdef GRAD
PNB_BUFFER(3, gr)
PNB_OUT(4, ga)
#else
PNB_OUT(3, r)
#endif

// (sin, cos) of half an angle; a whole turn changes both signs, which no square or product of r and its slope shows
vec2 half_angle(float d) {
    float turns = d * 0.07957747154594767; // 1/(4 pi)
    return pnb_sincos_turns(turns - round(turns));
}

void main() {
    PNB_EACH(i, p.count) {
        float weight = w1(i % p.inner), d = a1(i) - y1(i);
#ifdef GRAD
        ga1_set(i, gr1(i) * (weight < 0.0 ? -weight * half_angle(d).y : weight));
#else
        r1_set(i, weight < 0.0 ? -2.0 * weight * half_angle(d).x : weight * d);
#endif
    }
}
