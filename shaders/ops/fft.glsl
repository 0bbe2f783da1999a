// Butterflies of the FFT on pairs of complex numbers: a vec4 is (re, im, re, im). Forward transforms, exp(-2 pi i / n).
//
// PNB_RADIX is what pnb_butterflies() transforms, in registers: 2, 3, 4, 5, 7, or a product A B of these by one step of
// Cooley-Tukey: A-point transforms of every B-th number, twiddles W_R^(b k), B-point transforms; result k then lies at
// PNB_RESULT(k). Twiddles are written out, since sin and cos of software drivers are poor.
#ifndef PNB_FFT_GLSL
#define PNB_FFT_GLSL

vec4 pnb_times_minus_i(vec4 v) { return vec4(v.y, -v.x, v.w, -v.z); }
vec4 pnb_times(vec4 v, vec2 w) {
    return vec4(v.x * w.x - v.y * w.y, v.x * w.y + v.y * w.x, v.z * w.x - v.w * w.y, v.z * w.y + v.w * w.x);
}
vec4 pnb_times_each(vec4 v, vec4 w) {
    return vec4(v.x * w.x - v.y * w.y, v.x * w.y + v.y * w.x, v.z * w.z - v.w * w.w, v.z * w.w + v.w * w.z);
}

void pnb_fft2(inout vec4 a, inout vec4 b) {
    vec4 t = a;
    a = t + b;
    b = t - b;
}

void pnb_fft3(inout vec4 a, inout vec4 b, inout vec4 c) {
    vec4 s = b + c, d = 0.8660254038 * pnb_times_minus_i(b - c), m = a - 0.5 * s;
    a += s;
    b = m + d;
    c = m - d;
}

void pnb_fft4(inout vec4 a, inout vec4 b, inout vec4 c, inout vec4 d) {
    vec4 s = a + c, t = a - c, u = b + d, v = pnb_times_minus_i(b - d);
    a = s + u;
    b = t + v;
    c = s - u;
    d = t - v;
}

void pnb_fft5(inout vec4 a, inout vec4 b, inout vec4 c, inout vec4 d, inout vec4 e) {
    vec4 s1 = b + e, s2 = c + d, d1 = b - e, d2 = c - d;
    vec4 m1 = a + 0.3090169944 * s1 + -0.8090169944 * s2, m2 = a + -0.8090169944 * s1 + 0.3090169944 * s2;
    vec4 n1 = pnb_times_minus_i(0.9510565163 * d1 + 0.5877852523 * d2), n2 = pnb_times_minus_i(0.5877852523 * d1 + -0.9510565163 * d2);
    a += s1 + s2;
    b = m1 + n1;
    c = m2 + n2;
    d = m2 - n2;
    e = m1 - n1;
}

void pnb_fft7(inout vec4 a, inout vec4 b, inout vec4 c, inout vec4 d, inout vec4 e, inout vec4 f, inout vec4 g) {
    vec4 s1 = b + g, s2 = c + f, s3 = d + e, d1 = b - g, d2 = c - f, d3 = d - e;
    vec4 m1 = a + 0.6234898019 * s1 + -0.2225209340 * s2 + -0.9009688679 * s3;
    vec4 m2 = a + -0.2225209340 * s1 + -0.9009688679 * s2 + 0.6234898019 * s3;
    vec4 m3 = a + -0.9009688679 * s1 + 0.6234898019 * s2 + -0.2225209340 * s3;
    vec4 n1 = pnb_times_minus_i(0.7818314825 * d1 + 0.9749279122 * d2 + 0.4338837391 * d3);
    vec4 n2 = pnb_times_minus_i(0.9749279122 * d1 + -0.4338837391 * d2 + -0.7818314825 * d3);
    vec4 n3 = pnb_times_minus_i(0.4338837391 * d1 + -0.7818314825 * d2 + 0.9749279122 * d3);
    a += s1 + s2 + s3;
    b = m1 + n1;
    c = m2 + n2;
    d = m3 + n3;
    e = m3 - n3;
    f = m2 - n2;
    g = m1 - n1;
}

void pnb_fft8(inout vec4 a, inout vec4 b, inout vec4 c, inout vec4 d, inout vec4 e, inout vec4 f, inout vec4 g, inout vec4 h) {
    pnb_fft4(a, c, e, g);
    pnb_fft4(b, d, f, h);
    vec4 a2 = a, b2 = b, c2 = c, e2 = e, g2 = g;
    vec4 d2 = pnb_times(d, vec2(0.7071067812, -0.7071067812)), f2 = pnb_times_minus_i(f);
    vec4 h2 = pnb_times(h, vec2(-0.7071067812, -0.7071067812));
    a = a2 + b2;
    b = c2 + d2;
    c = e2 + f2;
    d = g2 + h2;
    e = a2 - b2;
    f = c2 - d2;
    g = e2 - f2;
    h = g2 - h2;
}
#if PNB_RADIX == 6
#define PNB_A 2
#define PNB_B 3
const vec2 pnb_roots[3] = vec2[](
    vec2(1.0, 0.0), vec2(0.5000000000, -0.8660254038), vec2(-0.5000000000, -0.8660254038));
#elif PNB_RADIX == 8
#define PNB_A 2
#define PNB_B 4
const vec2 pnb_roots[4] = vec2[](
    vec2(1.0, 0.0), vec2(0.7071067812, -0.7071067812), vec2(0.0000000000, -1.0), vec2(-0.7071067812, -0.7071067812));
#elif PNB_RADIX == 9
#define PNB_A 3
#define PNB_B 3
const vec2 pnb_roots[5] = vec2[](
    vec2(1.0, 0.0), vec2(0.7660444431, -0.6427876097), vec2(0.1736481777, -0.9848077530), vec2(-0.5000000000, -0.8660254038), vec2(-0.9396926208, -0.3420201433));
#elif PNB_RADIX == 10
#define PNB_A 2
#define PNB_B 5
const vec2 pnb_roots[5] = vec2[](
    vec2(1.0, 0.0), vec2(0.8090169944, -0.5877852523), vec2(0.3090169944, -0.9510565163), vec2(-0.3090169944, -0.9510565163), vec2(-0.8090169944, -0.5877852523));
#elif PNB_RADIX == 12
#define PNB_A 3
#define PNB_B 4
const vec2 pnb_roots[7] = vec2[](
    vec2(1.0, 0.0), vec2(0.8660254038, -0.5000000000), vec2(0.5000000000, -0.8660254038), vec2(0.0000000000, -1.0), vec2(-0.5000000000, -0.8660254038), vec2(-0.8660254038, -0.5000000000), vec2(-1.0, -0.0000000000));
#elif PNB_RADIX == 14
#define PNB_A 2
#define PNB_B 7
const vec2 pnb_roots[7] = vec2[](
    vec2(1.0, 0.0), vec2(0.9009688679, -0.4338837391), vec2(0.6234898019, -0.7818314825), vec2(0.2225209340, -0.9749279122), vec2(-0.2225209340, -0.9749279122), vec2(-0.6234898019, -0.7818314825), vec2(-0.9009688679, -0.4338837391));
#elif PNB_RADIX == 15
#define PNB_A 3
#define PNB_B 5
const vec2 pnb_roots[9] = vec2[](
    vec2(1.0, 0.0), vec2(0.9135454576, -0.4067366431), vec2(0.6691306064, -0.7431448255), vec2(0.3090169944, -0.9510565163), vec2(-0.1045284633, -0.9945218954), vec2(-0.5000000000, -0.8660254038), vec2(-0.8090169944, -0.5877852523), vec2(-0.9781476007, -0.2079116908), vec2(-0.9781476007, 0.2079116908));
#elif PNB_RADIX == 16
#define PNB_A 4
#define PNB_B 4
const vec2 pnb_roots[10] = vec2[](
    vec2(1.0, 0.0), vec2(0.9238795325, -0.3826834324), vec2(0.7071067812, -0.7071067812), vec2(0.3826834324, -0.9238795325), vec2(0.0000000000, -1.0), vec2(-0.3826834324, -0.9238795325), vec2(-0.7071067812, -0.7071067812), vec2(-0.9238795325, -0.3826834324), vec2(-1.0, -0.0000000000), vec2(-0.9238795325, 0.3826834324));
#elif PNB_RADIX == 20
#define PNB_A 4
#define PNB_B 5
const vec2 pnb_roots[13] = vec2[](
    vec2(1.0, 0.0), vec2(0.9510565163, -0.3090169944), vec2(0.8090169944, -0.5877852523), vec2(0.5877852523, -0.8090169944),
    vec2(0.3090169944, -0.9510565163), vec2(0.0, -1.0), vec2(-0.3090169944, -0.9510565163), vec2(-0.5877852523, -0.8090169944),
    vec2(-0.8090169944, -0.5877852523), vec2(-0.9510565163, -0.3090169944), vec2(-1.0, 0.0), vec2(-0.9510565163, 0.3090169944),
    vec2(-0.8090169944, 0.5877852523));
#elif PNB_RADIX == 24
#define PNB_A 3
#define PNB_B 8
const vec2 pnb_roots[15] = vec2[](
    vec2(1.0, 0.0), vec2(0.9659258263, -0.2588190451), vec2(0.8660254038, -0.5000000000), vec2(0.7071067812, -0.7071067812),
    vec2(0.5000000000, -0.8660254038), vec2(0.2588190451, -0.9659258263), vec2(0.0, -1.0), vec2(-0.2588190451, -0.9659258263),
    vec2(-0.5000000000, -0.8660254038), vec2(-0.7071067812, -0.7071067812), vec2(-0.8660254038, -0.5000000000),
    vec2(-0.9659258263, -0.2588190451), vec2(-1.0, 0.0), vec2(-0.9659258263, 0.2588190451), vec2(-0.8660254038, 0.5000000000));
#elif PNB_RADIX == 28
#define PNB_A 4
#define PNB_B 7
const vec2 pnb_roots[19] = vec2[](
    vec2(1.0, 0.0), vec2(0.9749279122, -0.2225209340), vec2(0.9009688679, -0.4338837391), vec2(0.7818314825, -0.6234898019),
    vec2(0.6234898019, -0.7818314825), vec2(0.4338837391, -0.9009688679), vec2(0.2225209340, -0.9749279122), vec2(0.0, -1.0),
    vec2(-0.2225209340, -0.9749279122), vec2(-0.4338837391, -0.9009688679), vec2(-0.6234898019, -0.7818314825),
    vec2(-0.7818314825, -0.6234898019), vec2(-0.9009688679, -0.4338837391), vec2(-0.9749279122, -0.2225209340), vec2(-1.0, 0.0),
    vec2(-0.9749279122, 0.2225209340), vec2(-0.9009688679, 0.4338837391), vec2(-0.7818314825, 0.6234898019),
    vec2(-0.6234898019, 0.7818314825));
#elif PNB_RADIX == 32
#define PNB_A 4
#define PNB_B 8
const vec2 pnb_roots[22] = vec2[](
    vec2(1.0, 0.0), vec2(0.9807852804, -0.1950903220), vec2(0.9238795325, -0.3826834324), vec2(0.8314696123, -0.5555702330),
    vec2(0.7071067812, -0.7071067812), vec2(0.5555702330, -0.8314696123), vec2(0.3826834324, -0.9238795325),
    vec2(0.1950903220, -0.9807852804), vec2(0.0, -1.0), vec2(-0.1950903220, -0.9807852804), vec2(-0.3826834324, -0.9238795325),
    vec2(-0.5555702330, -0.8314696123), vec2(-0.7071067812, -0.7071067812), vec2(-0.8314696123, -0.5555702330),
    vec2(-0.9238795325, -0.3826834324), vec2(-0.9807852804, -0.1950903220), vec2(-1.0, 0.0), vec2(-0.9807852804, 0.1950903220),
    vec2(-0.9238795325, 0.3826834324), vec2(-0.8314696123, 0.5555702330), vec2(-0.7071067812, 0.7071067812),
    vec2(-0.5555702330, 0.8314696123));
#elif PNB_RADIX == 64
#define PNB_A 8
#define PNB_B 8
const vec2 pnb_roots[50] = vec2[](
    vec2(1.0, 0.0), vec2(0.9951847267, -0.0980171403), vec2(0.9807852804, -0.1950903220), vec2(0.9569403357, -0.2902846773),
    vec2(0.9238795325, -0.3826834324), vec2(0.8819212643, -0.4713967368), vec2(0.8314696123, -0.5555702330),
    vec2(0.7730104534, -0.6343932842), vec2(0.7071067812, -0.7071067812), vec2(0.6343932842, -0.7730104534),
    vec2(0.5555702330, -0.8314696123), vec2(0.4713967368, -0.8819212643), vec2(0.3826834324, -0.9238795325),
    vec2(0.2902846773, -0.9569403357), vec2(0.1950903220, -0.9807852804), vec2(0.0980171403, -0.9951847267), vec2(0.0, -1.0),
    vec2(-0.0980171403, -0.9951847267), vec2(-0.1950903220, -0.9807852804), vec2(-0.2902846773, -0.9569403357),
    vec2(-0.3826834324, -0.9238795325), vec2(-0.4713967368, -0.8819212643), vec2(-0.5555702330, -0.8314696123),
    vec2(-0.6343932842, -0.7730104534), vec2(-0.7071067812, -0.7071067812), vec2(-0.7730104534, -0.6343932842),
    vec2(-0.8314696123, -0.5555702330), vec2(-0.8819212643, -0.4713967368), vec2(-0.9238795325, -0.3826834324),
    vec2(-0.9569403357, -0.2902846773), vec2(-0.9807852804, -0.1950903220), vec2(-0.9951847267, -0.0980171403), vec2(-1.0, 0.0),
    vec2(-0.9951847267, 0.0980171403), vec2(-0.9807852804, 0.1950903220), vec2(-0.9569403357, 0.2902846773),
    vec2(-0.9238795325, 0.3826834324), vec2(-0.8819212643, 0.4713967368), vec2(-0.8314696123, 0.5555702330),
    vec2(-0.7730104534, 0.6343932842), vec2(-0.7071067812, 0.7071067812), vec2(-0.6343932842, 0.7730104534),
    vec2(-0.5555702330, 0.8314696123), vec2(-0.4713967368, 0.8819212643), vec2(-0.3826834324, 0.9238795325),
    vec2(-0.2902846773, 0.9569403357), vec2(-0.1950903220, 0.9807852804), vec2(-0.0980171403, 0.9951847267), vec2(0.0, 1.0),
    vec2(0.0980171403, 0.9951847267));
#else
#define PNB_A PNB_RADIX
#define PNB_B 1
const vec2 pnb_roots[1] = vec2[](vec2(1.0, 0.0));
#endif

// An n-point transform of v[first], v[first + step], ...
#define PNB_POINTS2(v, first, step) pnb_fft2(v[first], v[first + step])
#define PNB_POINTS3(v, first, step) pnb_fft3(v[first], v[first + step], v[first + 2 * step])
#define PNB_POINTS4(v, first, step) pnb_fft4(v[first], v[first + step], v[first + 2 * step], v[first + 3 * step])
#define PNB_POINTS5(v, first, step)                                                                                    \
    pnb_fft5(v[first], v[first + step], v[first + 2 * step], v[first + 3 * step], v[first + 4 * step])
#define PNB_POINTS7(v, first, step)                                                                                    \
    pnb_fft7(v[first], v[first + step], v[first + 2 * step], v[first + 3 * step], v[first + 4 * step],                 \
             v[first + 5 * step], v[first + 6 * step])
#define PNB_POINTS8(v, first, step)                                                                                    \
    pnb_fft8(v[first], v[first + step], v[first + 2 * step], v[first + 3 * step], v[first + 4 * step],                 \
             v[first + 5 * step], v[first + 6 * step], v[first + 7 * step])
#if PNB_A == 2
#define PNB_POINTS_A PNB_POINTS2
#elif PNB_A == 3
#define PNB_POINTS_A PNB_POINTS3
#elif PNB_A == 4
#define PNB_POINTS_A PNB_POINTS4
#elif PNB_A == 5
#define PNB_POINTS_A PNB_POINTS5
#elif PNB_A == 7
#define PNB_POINTS_A PNB_POINTS7
#else
#define PNB_POINTS_A PNB_POINTS8
#endif
#if PNB_B == 3
#define PNB_POINTS_B PNB_POINTS3
#elif PNB_B == 4
#define PNB_POINTS_B PNB_POINTS4
#elif PNB_B == 5
#define PNB_POINTS_B PNB_POINTS5
#elif PNB_B == 7
#define PNB_POINTS_B PNB_POINTS7
#elif PNB_B == 8
#define PNB_POINTS_B PNB_POINTS8
#endif

void pnb_butterflies(inout vec4 v[PNB_RADIX]) {
    [[unroll]] for (int b = 0; b < PNB_B; b++) {
        PNB_POINTS_A(v, b, PNB_B);
        [[unroll]] for (int a = 1; a < PNB_A; a++) {
            if (b > 0) v[b + PNB_B * a] = pnb_times(v[b + PNB_B * a], pnb_roots[a * b]);
        }
    }
#if PNB_B > 1
    [[unroll]] for (int a = 0; a < PNB_A; a++) {
        PNB_POINTS_B(v, PNB_B * a, 1);
    }
#endif
}
#define PNB_RESULT(k) (PNB_B * ((k) % PNB_A) + (k) / PNB_A)
#endif
