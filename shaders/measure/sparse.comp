// y[n, i] = sum over j of w_ij x[n, column_ij]: a sparse matrix in rows of (column, weight), row i from start[i] to start[i+1].
// One invocation an entry of y, its sum in the order of the row. Layout: x [N, columns], y [N, rows]; start and column are whole
// numbers in the bits of floats.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "measure/sparse_push.h"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, x)
PNB_BUFFER(1, start)
PNB_BUFFER(2, entry)
PNB_OUT(3, y)

void main() {
    PNB_EACH(i, p.batch * p.rows) {
        uint n = i / p.rows, row = i - n * p.rows;
        uint end = floatBitsToUint(start1(row + 1u));
        float sum = 0.0;
        for (uint k = floatBitsToUint(start1(row)); k < end; k++) {
            sum += entry1(2u * k + 1u) * x1(n * p.columns + floatBitsToUint(entry1(2u * k)));
        }
        if (row >= p.angle) sum -= 6.283185307179586 * round(sum * 0.15915494309189535);
        y1_set(i, sum);
    }
}
