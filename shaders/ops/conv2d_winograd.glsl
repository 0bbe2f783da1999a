// The transforms of F(2x2,3x3) and F(4x4,3x3) along one dimension, for any element type REAL (float or vec4).
//
// F(4x4) is Toom-Cook's algorithm at the points 0, +-a, +-1/a and infinity, a = 1/sqrt(2), each row of B^T scaled to a leading
// coefficient of 1. With the usual points 0, +-1, +-2 the error is four times as large (measured: 2e-6 against 9e-6 of the
// largest value at 128 channels). F(2x2): 0, +-1, infinity.
#ifndef PNB_TILE
#define PNB_TILE 4
#endif
const int TILE = PNB_TILE, N = PNB_TILE + 2, PLACES = N * N;

#if PNB_TILE == 4
const float NEAR = 0.70710678118654752, FAR = 1.4142135623730951; // the points

// B^T: a window's row or column
REAL[N] winograd_window(REAL d[N]) {
    const REAL e = d[4] - 2.0 * d[2], o = NEAR * (d[3] - 2.0 * d[1]);
    const REAL f = d[4] - 0.5 * d[2], q = FAR * (d[3] - 0.5 * d[1]);
    return REAL[N](d[0] - 2.5 * d[2] + d[4], e + o, e - o, f + q, f - q, d[1] - 2.5 * d[3] + d[5]);
}

// G: three weights
REAL[N] winograd_weights(REAL g[3]) {
    const REAL e = (-2.0 / 3.0) * (g[0] + 0.5 * g[2]), o = (-2.0 / 3.0) * NEAR * g[1];
    const REAL f = (1.0 / 6.0) * (g[0] + 2.0 * g[2]), q = (1.0 / 6.0) * FAR * g[1];
    return REAL[N](g[0], e + o, e - o, f + q, f - q, g[2]);
}

// A^T: to the pixels of a tile
REAL[TILE] winograd_tile(REAL m[N]) {
    const REAL e = m[1] + m[2], o = NEAR * (m[1] - m[2]), f = m[3] + m[4], q = FAR * (m[3] - m[4]);
    return REAL[TILE](m[0] + e + f, o + q, 0.5 * e + 2.0 * f, 0.5 * o + 2.0 * q + m[5]);
}
#else
REAL[N] winograd_window(REAL d[N]) { return REAL[N](d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]); }
REAL[N] winograd_weights(REAL g[3]) {
    const REAL e = 0.5 * (g[0] + g[2]), o = 0.5 * g[1];
    return REAL[N](g[0], e + o, e - o, g[2]);
}
REAL[TILE] winograd_tile(REAL m[N]) { return REAL[TILE](m[0] + m[1] + m[2], m[1] - m[2] + m[3]); }
#endif
