// y[n, d] = table[index[n], d]; an index outside of the table takes the nearest row.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/lookup.h"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, table)
PNB_BUFFER(1, index)
PNB_OUT(2, y)

void main() {
    PNB_EACH(i, p.count * p.width) {
        uint n = i / p.width, d = i - n * p.width;
        uint row = uint(clamp(index1(n) + 0.5, 0.0, float(p.table_rows) - 0.5));
        y1_set(i, table1(row * p.width + d));
    }
}
