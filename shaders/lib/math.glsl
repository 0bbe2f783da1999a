// Functions whose built-in forms are inexact or overflow on some drivers.
#ifndef PNB_MATH_GLSL
#define PNB_MATH_GLSL

// 1/(1+exp(-x)); exp overflows to infinity for x < -88 and the quotient is then 0, as it should be.
vec4 pnb_sigmoid(vec4 x) { return 1.0 / (1.0 + exp(-max(x, vec4(-87.0)))); }
// x sigmoid(x); 0 below -87, where the exact value is under 1e-35
vec4 pnb_silu(vec4 x) { return x * pnb_sigmoid(x); }
// d silu / dx = s (1 + x (1 - s))
vec4 pnb_silu_slope(vec4 x) {
    vec4 s = pnb_sigmoid(x);
    return s * (1.0 + x * (1.0 - s));
}
// 1 - 2/(exp(2|x|)+1), an odd series near 0: absolute error below 2e-7
vec4 pnb_tanh(vec4 x) {
    vec4 a = min(abs(x), vec4(20.0));
    vec4 q = x * x;
    vec4 far = sign(x) * (1.0 - 2.0 / (exp(2.0 * a) + 1.0));
    vec4 near = x * (1.0 + q * (-1.0 / 3.0 + q * (2.0 / 15.0 - q * (17.0 / 315.0))));
    return mix(far, near, lessThan(a, vec4(0.125)));
}

// (sin, cos) of 2 pi f for |f| <= 1, absolute error below 2e-7 on every driver: the built-in sin and cos of software drivers
// are good to 1e-3 only. f is split into the nearest quarter turn and a rest of at most an eighth, Taylor series there.
vec2 pnb_sincos_turns(float f) {
    float quarter = round(4.0 * f);
    float x = (f - 0.25 * quarter) * 6.283185307179586;
    float q = x * x;
    float s = x * (1.0 + q * (-1.0 / 6.0 + q * (1.0 / 120.0 + q * (-1.0 / 5040.0 + q * (1.0 / 362880.0)))));
    float c = 1.0 + q * (-0.5 + q * (1.0 / 24.0 + q * (-1.0 / 720.0 + q * (1.0 / 40320.0))));
    int k = int(quarter) & 3;
    vec2 sc = (k & 1) == 0 ? vec2(s, c) : vec2(c, s);
    if (k >= 2) sc.x = -sc.x;
    if (k == 1 || k == 2) sc.y = -sc.y;
    return sc;
}

// The angle of the vector (x, y) in (-pi, pi], 0 of the zero vector; absolute error below 4e-7, where the built-in atan may
// be off by 4096 units in the last place. The quotient is turned below tan(pi/8); polynomial of Cephes' atanf there.
float pnb_angle(float y, float x) {
    float a = abs(y), b = abs(x), top = max(a, b);
    if (top == 0.0) return 0.0;
    float q = min(a, b) / top;
    bool far = q > 0.41421356;
    float t = far ? (q - 1.0) / (q + 1.0) : q, z = t * t;
    float r = t + t * z * (-3.33329491539e-1 + z * (1.99777106478e-1 + z * (-1.38776856032e-1 + z * 8.05374449538e-2)));
    if (far) r += 0.7853981633974483;
    if (a > b) r = 1.5707963267948966 - r;
    if (x < 0.0) r = 3.141592653589793 - r;
    return y < 0.0 ? -r : r;
}
#endif
