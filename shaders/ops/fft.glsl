// Butterflies of the FFT on pairs of complex numbers: a vec4 is (re, im, re, im). Forward transforms, exp(-2 pi i / n).
// For the products of their numbers see fft_radix.glsl.
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
#endif
