/* What the Winograd shaders and src/ops/conv2d_winograd.c share: 3x3 convolution, stride 1, zero padding 1.
 *
 * The output is cut into tiles of TILE x TILE pixels, numbered over (n, row, column of tiles), the column fastest. A tile
 * needs a window of N x N pixels of x, N = TILE + 2. Window, weights and tile are transformed into N x N places each, and in
 * each place a convolution is a matrix product over channels:
 *
 *     V[place] (channels x tiles) = B^T window B     U[place] (outputs x channels) = G weights G^T
 *     M[place] = U[place] V[place]                   y = A^T M A + bias
 *
 * Layouts, in floats, the last index fastest: the tiles of a chunk lie in panels of PANEL tiles, so that a product reads
 * memory straight ahead.
 *     V [place][panel][channel][PANEL]    channels padded to a multiple of DEPTH, with zeros
 *     U [place][block][channel][BLOCK]    outputs in blocks of BLOCK, channels as in V, with zeros in both
 *     M [place][panel][output][PANEL]     outputs padded to whole blocks */
#define PNB_WINOGRAD_PANEL 32
#define PNB_WINOGRAD_BLOCK 16
#define PNB_WINOGRAD_DEPTH 8
