/* CRC-32 as PNG and gzip use it (polynomial 0xEDB88320, reflected; RFC 1952, section 8). */
#ifndef PNB_IO_CRC32_H
#define PNB_IO_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t pnb_crc32(const unsigned char *bytes, size_t n);

#endif
