// Butterflies of one radix for pairs of complex numbers, in registers; include it once for each PNB_RADIX that is needed.
//
// pnb_butterflies(v), overloaded by the length of v, transforms v: PNB_RADIX is 2, 3, 4, 5, 7, 8, or a product A B of these by one step
// of Cooley-Tukey: A-point transforms of every B-th number, twiddles W_R^(b k), B-point transforms; result k then lies at
// PNB_RESULT(k), of the radix that was included last. pnb_transform(v) is the same with its results in order. Twiddles are written
// out, since sin and cos of software drivers are poor.
#include "ops/fft.glsl"

#undef PNB_A
#undef PNB_B
#undef PNB_ROOTS
#undef PNB_POINTS_A
#undef PNB_POINTS_B
#if PNB_RADIX == 6
#define PNB_A 2
#define PNB_B 3
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.5000000000, -0.8660254038), vec2(-0.5000000000, -0.8660254038)
#elif PNB_RADIX == 9
#define PNB_A 3
#define PNB_B 3
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.7660444431, -0.6427876097), vec2(0.1736481777, -0.9848077530), vec2(-0.5000000000, -0.8660254038), \
    vec2(-0.9396926208, -0.3420201433)
#elif PNB_RADIX == 10
#define PNB_A 2
#define PNB_B 5
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.8090169944, -0.5877852523), vec2(0.3090169944, -0.9510565163), vec2(-0.3090169944, -0.9510565163), \
    vec2(-0.8090169944, -0.5877852523)
#elif PNB_RADIX == 12
#define PNB_A 3
#define PNB_B 4
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.8660254038, -0.5000000000), vec2(0.5000000000, -0.8660254038), vec2(0.0, -1.0), \
    vec2(-0.5000000000, -0.8660254038), vec2(-0.8660254038, -0.5000000000), vec2(-1.0, 0.0)
#elif PNB_RADIX == 14
#define PNB_A 2
#define PNB_B 7
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.9009688679, -0.4338837391), vec2(0.6234898019, -0.7818314825), vec2(0.2225209340, -0.9749279122), \
    vec2(-0.2225209340, -0.9749279122), vec2(-0.6234898019, -0.7818314825), vec2(-0.9009688679, -0.4338837391)
#elif PNB_RADIX == 15
#define PNB_A 3
#define PNB_B 5
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.9135454576, -0.4067366431), vec2(0.6691306064, -0.7431448255), vec2(0.3090169944, -0.9510565163), \
    vec2(-0.1045284633, -0.9945218954), vec2(-0.5000000000, -0.8660254038), vec2(-0.8090169944, -0.5877852523), \
    vec2(-0.9781476007, -0.2079116908), vec2(-0.9781476007, 0.2079116908)
#elif PNB_RADIX == 16
#define PNB_A 4
#define PNB_B 4
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.9238795325, -0.3826834324), vec2(0.7071067812, -0.7071067812), vec2(0.3826834324, -0.9238795325), \
    vec2(0.0, -1.0), vec2(-0.3826834324, -0.9238795325), vec2(-0.7071067812, -0.7071067812), \
    vec2(-0.9238795325, -0.3826834324), vec2(-1.0, 0.0), vec2(-0.9238795325, 0.3826834324)
#elif PNB_RADIX == 20
#define PNB_A 4
#define PNB_B 5
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.9510565163, -0.3090169944), vec2(0.8090169944, -0.5877852523), vec2(0.5877852523, -0.8090169944), \
    vec2(0.3090169944, -0.9510565163), vec2(0.0, -1.0), vec2(-0.3090169944, -0.9510565163), \
    vec2(-0.5877852523, -0.8090169944), vec2(-0.8090169944, -0.5877852523), vec2(-0.9510565163, -0.3090169944), \
    vec2(-1.0, 0.0), vec2(-0.9510565163, 0.3090169944), vec2(-0.8090169944, 0.5877852523)
#elif PNB_RADIX == 24
#define PNB_A 3
#define PNB_B 8
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.9659258263, -0.2588190451), vec2(0.8660254038, -0.5000000000), vec2(0.7071067812, -0.7071067812), \
    vec2(0.5000000000, -0.8660254038), vec2(0.2588190451, -0.9659258263), vec2(0.0, -1.0), \
    vec2(-0.2588190451, -0.9659258263), vec2(-0.5000000000, -0.8660254038), vec2(-0.7071067812, -0.7071067812), \
    vec2(-0.8660254038, -0.5000000000), vec2(-0.9659258263, -0.2588190451), vec2(-1.0, 0.0), \
    vec2(-0.9659258263, 0.2588190451), vec2(-0.8660254038, 0.5000000000)
#elif PNB_RADIX == 28
#define PNB_A 4
#define PNB_B 7
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.9749279122, -0.2225209340), vec2(0.9009688679, -0.4338837391), vec2(0.7818314825, -0.6234898019), \
    vec2(0.6234898019, -0.7818314825), vec2(0.4338837391, -0.9009688679), vec2(0.2225209340, -0.9749279122), vec2(0.0, -1.0), \
    vec2(-0.2225209340, -0.9749279122), vec2(-0.4338837391, -0.9009688679), vec2(-0.6234898019, -0.7818314825), \
    vec2(-0.7818314825, -0.6234898019), vec2(-0.9009688679, -0.4338837391), vec2(-0.9749279122, -0.2225209340), \
    vec2(-1.0, 0.0), vec2(-0.9749279122, 0.2225209340), vec2(-0.9009688679, 0.4338837391), vec2(-0.7818314825, 0.6234898019), \
    vec2(-0.6234898019, 0.7818314825)
#elif PNB_RADIX == 32
#define PNB_A 4
#define PNB_B 8
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.9807852804, -0.1950903220), vec2(0.9238795325, -0.3826834324), vec2(0.8314696123, -0.5555702330), \
    vec2(0.7071067812, -0.7071067812), vec2(0.5555702330, -0.8314696123), vec2(0.3826834324, -0.9238795325), \
    vec2(0.1950903220, -0.9807852804), vec2(0.0, -1.0), vec2(-0.1950903220, -0.9807852804), \
    vec2(-0.3826834324, -0.9238795325), vec2(-0.5555702330, -0.8314696123), vec2(-0.7071067812, -0.7071067812), \
    vec2(-0.8314696123, -0.5555702330), vec2(-0.9238795325, -0.3826834324), vec2(-0.9807852804, -0.1950903220), \
    vec2(-1.0, 0.0), vec2(-0.9807852804, 0.1950903220), vec2(-0.9238795325, 0.3826834324), vec2(-0.8314696123, 0.5555702330), \
    vec2(-0.7071067812, 0.7071067812), vec2(-0.5555702330, 0.8314696123)
#elif PNB_RADIX == 64
#define PNB_A 8
#define PNB_B 8
#define PNB_ROOTS \
    vec2(1.0, 0.0), vec2(0.9951847267, -0.0980171403), vec2(0.9807852804, -0.1950903220), vec2(0.9569403357, -0.2902846773), \
    vec2(0.9238795325, -0.3826834324), vec2(0.8819212643, -0.4713967368), vec2(0.8314696123, -0.5555702330), \
    vec2(0.7730104534, -0.6343932842), vec2(0.7071067812, -0.7071067812), vec2(0.6343932842, -0.7730104534), \
    vec2(0.5555702330, -0.8314696123), vec2(0.4713967368, -0.8819212643), vec2(0.3826834324, -0.9238795325), \
    vec2(0.2902846773, -0.9569403357), vec2(0.1950903220, -0.9807852804), vec2(0.0980171403, -0.9951847267), vec2(0.0, -1.0), \
    vec2(-0.0980171403, -0.9951847267), vec2(-0.1950903220, -0.9807852804), vec2(-0.2902846773, -0.9569403357), \
    vec2(-0.3826834324, -0.9238795325), vec2(-0.4713967368, -0.8819212643), vec2(-0.5555702330, -0.8314696123), \
    vec2(-0.6343932842, -0.7730104534), vec2(-0.7071067812, -0.7071067812), vec2(-0.7730104534, -0.6343932842), \
    vec2(-0.8314696123, -0.5555702330), vec2(-0.8819212643, -0.4713967368), vec2(-0.9238795325, -0.3826834324), \
    vec2(-0.9569403357, -0.2902846773), vec2(-0.9807852804, -0.1950903220), vec2(-0.9951847267, -0.0980171403), \
    vec2(-1.0, 0.0), vec2(-0.9951847267, 0.0980171403), vec2(-0.9807852804, 0.1950903220), vec2(-0.9569403357, 0.2902846773), \
    vec2(-0.9238795325, 0.3826834324), vec2(-0.8819212643, 0.4713967368), vec2(-0.8314696123, 0.5555702330), \
    vec2(-0.7730104534, 0.6343932842), vec2(-0.7071067812, 0.7071067812), vec2(-0.6343932842, 0.7730104534), \
    vec2(-0.5555702330, 0.8314696123), vec2(-0.4713967368, 0.8819212643), vec2(-0.3826834324, 0.9238795325), \
    vec2(-0.2902846773, 0.9569403357), vec2(-0.1950903220, 0.9807852804), vec2(-0.0980171403, 0.9951847267), vec2(0.0, 1.0), \
    vec2(0.0980171403, 0.9951847267)
#else
#define PNB_A PNB_RADIX
#define PNB_B 1
#define PNB_ROOTS vec2(1.0, 0.0)
#endif

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
#elif PNB_A == 8
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
    const vec2 roots[] = vec2[](PNB_ROOTS);
    [[unroll]] for (int b = 0; b < PNB_B; b++) {
        PNB_POINTS_A(v, b, PNB_B);
        [[unroll]] for (int a = 1; a < PNB_A; a++) {
            if (b > 0) v[b + PNB_B * a] = pnb_times(v[b + PNB_B * a], roots[a * b]);
        }
    }
#if PNB_B > 1
    [[unroll]] for (int a = 0; a < PNB_A; a++) {
        PNB_POINTS_B(v, PNB_B * a, 1);
    }
#endif
}
#ifndef PNB_RESULT
#define PNB_RESULT(k) (PNB_B * ((k) % PNB_A) + (k) / PNB_A)
#endif

void pnb_transform(inout vec4 v[PNB_RADIX]) {
    pnb_butterflies(v);
    vec4 made[PNB_RADIX] = v;
    [[unroll]] for (int k = 0; k < PNB_RADIX; k++) v[k] = made[PNB_RESULT(k)];
}
