/* The tile of matmul_quad.comp: rows, and vec4s of columns a lane with storage buffers and with texel buffers. */
#define PNB_MATMUL_QUAD_ROWS 16
#define PNB_MATMUL_QUAD_PLAIN 1
#define PNB_MATMUL_QUAD_TEXEL 2
