// The instructions of AMX, by Intel's names: those of the processor or, where EMULATED is defined,
// the same in plain C++, so that what is built on them can be tested on any machine.
//
// The emulation does what Intel's manual (Software Developer's Manual, volume 2, TDPBF16PS) says to
// the last bit: even and odd terms are summed apart by fused multiply-adds from zero, then added to
// each other and to the sum so far; numbers below the normal ones count as zero on the way in and
// become zero on the way out; the rounding is to nearest even, whatever the thread's setting.

#pragma once

#include <stdint.h>
#include <string.h>

namespace {

// What LDTILECFG reads: of each tile register its rows and the bytes of a row.
struct alignas(64) TileConfig {
    uint8_t palette, start_row, unused[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
static_assert(sizeof(TileConfig) == 64, "the processor reads 64 bytes");

}  // namespace

#if !defined(EMULATED)

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

// Ask Linux for the state of tile registers, which a process has to before it uses them.
bool permit_tiles() {
    constexpr long ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

// GCC's tile loads do not say that they read memory: without this, stores before them may come late.
inline void settle(const void* at) { asm volatile("" : : "r"(at) : "memory"); }

}  // namespace

#else

#include <float.h>
#include <math.h>
#include <stdlib.h>

namespace {

bool permit_tiles() { return true; }
inline void settle(const void*) {}

struct Tile {
    uint32_t lanes[16][16];
};
thread_local Tile tiles[8];
thread_local TileConfig tile_config;

inline float flush(float x) { return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x; }
inline float as_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return flush(x);
}
inline float multiply_add(uint32_t a, uint32_t b, float to) {
    return flush(fmaf(as_float(a), as_float(b), to));
}
// Tiles exist only while they are configured: elsewhere the processor ends the program, too.
inline int tile_rows(int tile) {
    if (tile_config.palette != 1) abort();
    return tile_config.rows[tile];
}

inline void _tile_loadconfig(const TileConfig* config) {
    tile_config = *config;
    memset(tiles, 0, sizeof(tiles));
}
inline void _tile_release() { tile_config = {}; }
inline void _tile_zero(int tile) { memset(tiles[tile].lanes, 0, 64L * tile_rows(tile)); }
inline void _tile_loadd(int tile, const void* from, long step) {
    for (int r = 0; r < tile_rows(tile); r++)
        memcpy(tiles[tile].lanes[r], static_cast<const char*>(from) + r * step,
               tile_config.row_bytes[tile]);
}
inline void _tile_stored(int tile, void* to, long step) {
    for (int r = 0; r < tile_rows(tile); r++)
        memcpy(static_cast<char*>(to) + r * step, tiles[tile].lanes[r],
               tile_config.row_bytes[tile]);
}
inline void _tile_dpbf16ps(int sum, int left, int right) {
    for (int m = 0; m < tile_rows(sum); m++)
        for (int n = 0; n < tile_config.row_bytes[sum] / 4; n++) {
            float even = 0, odd = 0;
            for (int k = 0; k < tile_config.row_bytes[left] / 4; k++) {
                const uint32_t a = tiles[left].lanes[m][k], b = tiles[right].lanes[k][n];
                even = multiply_add(a << 16, b << 16, even);
                odd = multiply_add(a & 0xffff0000, b & 0xffff0000, odd);
            }
            uint32_t& lane = tiles[sum].lanes[m][n];
            const float total = flush(as_float(lane) + flush(even + odd));
            memcpy(&lane, &total, 4);
        }
}

}  // namespace

#endif
