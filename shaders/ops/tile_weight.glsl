// Weight of tile a at row r of an image: a ramp at the tile's ends, over the sum of all tiles' there, so that they add up to 1. The ramp
// is 3 u^2 - 2 u^3, level where a tile begins: its outermost pixels, which the network knows least about, hardly count, and no step is
// left where it ends.
float tile_ramp(uint a, uint n, uint side, uint size, uint r) {
    uint begin = PNB_TILE_BEGIN(a, n, side, size);
    if (r < begin || r >= begin + size) return 0.0;
    if (p.ramp == 0u) return 1.0;
    float u = min((float(min(r - begin, begin + size - 1u - r)) + 0.5) / float(p.ramp), 1.0);
    return u * u * (3.0 - 2.0 * u);
}

float tile_weight(uint a, uint n, uint side, uint size, uint r) {
    float own = tile_ramp(a, n, side, size, r), sum = 0.0;
    if (p.ramp == 0u || own == 0.0) return own;
    for (uint b = 0u; b < n; b++) sum += tile_ramp(b, n, side, size, r);
    return own / sum;
}
