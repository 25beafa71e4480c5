// y = x W^T + b in float32, by the matrix unit (AMX) of processors that have it, whose tiles take
// bfloat16: eight bits of a number where float32 has 24.
//
// With two parts a number is hi + lo, both bfloat16, which leaves out 2^-17 of it at most, and x w is
// lo hi + hi hi + hi lo, which leaves out lo lo, 2^-16 of it at most: half as wide as float32 in the
// worst case, some 5e-6 of a product of many terms (Henry, Tang & Heinecke 2019, arXiv 1904.06376).
// With one part it is the plain product in bfloat16. Sums are float32 in both.
//
// A tile register holds 16 rows of 64 bytes. TDPBF16PS adds A [16, 32] times B [32, 16] to a sum
// [16, 16] of float32. B comes as pairs: row p of its register is B[2p][0], B[2p + 1][0], B[2p][1],
// ..., so that four bytes of it meet the four bytes of A with the same two k. Four registers hold a
// block of y, 32 x 32, two the rows of x and two the columns of W^T. Operands are packed tile by tile
// in the order in which they are loaded, zeros where the matrix ends:
//     [rows / 16][k / 32][part][one tile, 1 KB]
//
// Rows of x that hold what bfloat16 cannot (not a number, infinite, or above the largest) are left to
// the caller, who is told how many there are: hi - hi would make numbers of them that float32 has not.
// What is below 2^-126 counts as zero, so that numbers below 2^-117 lose their lower part.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <math.h>
#include <stdlib.h>

#include "tiles.h"

namespace {

typedef uint16_t bf16;
constexpr long SIDE = 16, DEPTH = 32, TILE = SIDE * DEPTH;  // rows and columns of an operand's tile
constexpr long BLOCK = 2 * SIDE;                            // rows and columns of a block of y
constexpr long ROWS = 256, STEPS = 40;  // of x packed at once: with two parts 1.3 MB, of 2 MB of cache
constexpr uint32_t TOO_LARGE = 0x7f7f8000;  // from here on bfloat16 rounds to infinity

inline long up(long n, long to) { return (n + to - 1) / to; }
inline uint32_t bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}
inline float number(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}
// To nearest even: half of the last place, and its own bit where that is a tie.
inline bf16 narrow(float x) { return (bits(x) + 0x7fff + (bits(x) >> 16 & 1)) >> 16; }
inline float widen(bf16 x) { return number(uint32_t(x) << 16); }

// A matrix, entry (r, k) at from[r * row + k * column].
struct Matrix {
    const float* from;
    long rows, columns, row, column;
};

// The parts of numbers k to k + 32 of a row, `apart` from each other; the largest so far, as bits.
template <int PARTS>
inline uint32_t split(const Matrix& x, long r, long k, bf16* to, long apart, uint32_t most) {
    float few[DEPTH] = {};
    const float* from = x.from + r * x.row + k * x.column;
    if (x.column != 1 || k + DEPTH > x.columns) {
        for (long i = 0; i < std::min(DEPTH, x.columns - k); i++) few[i] = from[i * x.column];
        from = few;
    }
    for (long i = 0; i < DEPTH; i++) {
        const bf16 hi = narrow(from[i]);
        most = std::max(most, bits(from[i]) & 0x7fffffff);
        to[i] = hi;
        if (PARTS == 2) to[apart + i] = narrow(from[i] - widen(hi));
    }
    return most;
}

// Rows `first` to `first + count` of x, steps `step` to `step + steps`; most [count] is updated.
template <int PARTS>
void pack_left(const Matrix& x, long first, long count, long step, long steps, bf16* to,
               uint32_t* most) {
    for (long r = 0; r < up(count, BLOCK) * BLOCK; r++)
        for (long s = 0; s < steps; s++) {
            bf16* tile = to + (r / SIDE * steps + s) * PARTS * TILE + r % SIDE * DEPTH;
            if (r < count)
                most[r] = split<PARTS>(x, first + r, (step + s) * DEPTH, tile, TILE, most[r]);
            else
                for (long p = 0; p < PARTS; p++) memset(tile + p * TILE, 0, DEPTH * sizeof(bf16));
        }
}

// All of W [n, k], in pairs. False where it holds what bfloat16 cannot.
template <int PARTS>
bool pack_right(const Matrix& w, bf16* to) {
    uint32_t most = 0;
    const long steps = up(w.columns, DEPTH);
    for (long n = 0; n < up(w.rows, BLOCK) * BLOCK; n++)
        for (long s = 0; s < steps; s++) {
            bf16 parts[2 * DEPTH] = {}, *tile = to + (n / SIDE * steps + s) * PARTS * TILE;
            if (n < w.rows) most = split<PARTS>(w, n, s * DEPTH, parts, DEPTH, most);
            for (long p = 0; p < PARTS; p++)
                for (long k = 0; k < DEPTH; k += 2)
                    memcpy(tile + p * TILE + k * SIDE + n % SIDE * 2, parts + p * DEPTH + k, 4);
        }
    return most < TOO_LARGE;
}

// What is asked for: y [M, N], rows `step` apart; `w` is packed; `bias` [N] may be absent.
enum Activation { NONE, GELU, RELU };
struct Task {
    Matrix x;
    const bf16* w;
    const float* bias;
    float* y;
    long N, step;
    Activation activation;
    bool add;  // to what is in y
};

// The four sums of a block, each of two tiles of x by two of W.
inline void multiply() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

// sums [32, 32], rows `width` apart, (+)= x W^T over so many steps; 16 rows take `of_x`, `of_w`.
template <int PARTS>
void block(long steps, const bf16* x, long of_x, const bf16* w, long of_w, float* sums, long width,
           bool add) {
    const long bytes = width * sizeof(float);
    float* below = sums + SIDE * width;
    if (add) {
        _tile_loadd(0, sums, bytes);
        _tile_loadd(1, sums + SIDE, bytes);
        _tile_loadd(2, below, bytes);
        _tile_loadd(3, below + SIDE, bytes);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (long s = 0; s < steps; s++, x += PARTS * TILE, w += PARTS * TILE) {
        _tile_loadd(6, w, 64);
        _tile_loadd(7, w + of_w, 64);
        if (PARTS == 2) {  // in this order nothing is loaded twice
            _tile_loadd(4, x + TILE, 64);
            _tile_loadd(5, x + of_x + TILE, 64);
            multiply();
        }
        _tile_loadd(4, x, 64);
        _tile_loadd(5, x + of_x, 64);
        multiply();
        if (PARTS == 2) {
            _tile_loadd(6, w + TILE, 64);
            _tile_loadd(7, w + of_w + TILE, 64);
            multiply();
        }
    }
    _tile_stored(0, sums, bytes);
    _tile_stored(1, sums + SIDE, bytes);
    _tile_stored(2, below, bytes);
    _tile_stored(3, below + SIDE, bytes);
}

// x times the normal distribution function of x. The error function is Abramowitz & Stegun 7.1.26,
// within 1.5e-7; the exponential a Taylor polynomial of 2^f, |f| <= 1/2, within 2e-7 of itself.
inline float gelu(float x) {
    const float t = 1 / (1 + 0.231641898f * fabsf(x));
    const float power = std::max(-126.0f, -0.72134752f * x * x);
    const float whole = (power + 12582912.0f) - 12582912.0f, f = power - whole;
    float e = 1.54035304e-4f;
    e = e * f + 1.33335581e-3f;
    e = e * f + 9.61812911e-3f;
    e = e * f + 5.55041087e-2f;
    e = e * f + 2.40226507e-1f;
    e = e * f + 6.93147181e-1f;
    e = (e * f + 1) * number(uint32_t(int32_t(whole) + 127) << 23);
    float tail = 1.061405429f;
    tail = tail * t - 1.453152027f;
    tail = tail * t + 1.421413741f;
    tail = tail * t - 0.284496736f;
    tail = tail * t + 0.254829592f;
    tail *= 0.5f * t * e;
    return x * (x > 0 ? 1 - tail : tail);
}

// Bias, activation and sum of a block whose first entry of y is (row, column).
void finish(const Task& t, const float* sums, long width, long row, long column, long rows,
            const uint32_t* most) {
    const long columns = std::min(BLOCK, t.N - column);
    float bias[BLOCK] = {}, value[BLOCK];
    if (t.bias) memcpy(bias, t.bias + column, columns * sizeof(float));
    for (long r = 0; r < rows; r++, sums += width) {
        if (most[r] >= TOO_LARGE) continue;
        float* y = t.y + (row + r) * t.step + column;
        for (long c = 0; c < BLOCK; c++) value[c] = sums[c] + bias[c];
        if (t.activation == GELU)
            for (long c = 0; c < BLOCK; c++) value[c] = gelu(value[c]);
        if (t.activation == RELU)  // not a number stays that
            for (long c = 0; c < BLOCK; c++) value[c] = value[c] < 0 ? 0 : value[c];
        if (t.add)
            for (long c = 0; c < columns; c++) value[c] += y[c];
        memcpy(y, value, columns * sizeof(float));
    }
}

// Rows `first` to `last` of y. How many of them are left to the caller; -1 where memory is short.
template <int PARTS>
long affine(const Task& t, long first, long last) {
    const long steps = up(t.x.columns, DEPTH), depth = std::min(steps, STEPS);
    // With one pass over k a block is finished while it is in the nearest cache.
    const bool one_pass = steps == depth;
    const long width = one_pass ? BLOCK : up(t.N, BLOCK) * BLOCK;
    const long packed = ROWS * depth * DEPTH * PARTS * sizeof(bf16);
    char* space = static_cast<char*>(
        aligned_alloc(64, packed + (one_pass ? BLOCK : ROWS) * width * sizeof(float)));
    if (!space) return -1;
    bf16* x = reinterpret_cast<bf16*>(space);
    float* sums = reinterpret_cast<float*>(space + packed);
    TileConfig config = {};
    config.palette = 1;
    for (int tile = 0; tile < 8; tile++) config.row_bytes[tile] = 64, config.rows[tile] = SIDE;
    settle(&config);
    _tile_loadconfig(&config);
    long remainder = 0;
    for (long row = first; row < last; row += ROWS) {
        const long rows = std::min(ROWS, last - row);
        uint32_t most[ROWS] = {};
        for (long step = 0; step < steps; step += STEPS) {
            const long here = std::min(STEPS, steps - step), of_x = here * PARTS * TILE;
            pack_left<PARTS>(t.x, row, rows, step, here, x, most);
            settle(x);
            for (long n = 0; n < t.N; n += BLOCK)
                for (long m = 0; m < rows; m += BLOCK) {
                    const bf16* w = t.w + (n / SIDE * steps + step) * PARTS * TILE;
                    float* at = one_pass ? sums : sums + m * width + n;
                    block<PARTS>(here, x + m / SIDE * of_x, of_x, w, steps * PARTS * TILE, at, width,
                                 step > 0);
                    if (step + here == steps)
                        finish(t, at, width, row + m, n, std::min(BLOCK, rows - m), most + m);
                }
        }
        for (long r = 0; r < rows; r++) remainder += most[r] >= TOO_LARGE;
    }
    _tile_release();
    free(space);
    return remainder;
}

// Addresses come as numbers, 0 for what is absent; Python checks what they point to.
template <class T>
T* address(unsigned long long at) {
    return reinterpret_cast<T*>(at);
}

PyObject* call_permit(PyObject*, PyObject*) { return PyBool_FromLong(permit_tiles()); }

PyObject* call_pack(PyObject*, PyObject* args) {
    unsigned long long from, to;
    Matrix w;
    int parts;
    if (!PyArg_ParseTuple(args, "KKnnnni", &from, &to, &w.rows, &w.columns, &w.row, &w.column, &parts))
        return nullptr;
    w.from = address<const float>(from);
    bool finite;
    Py_BEGIN_ALLOW_THREADS
    finite = (parts == 2 ? pack_right<2> : pack_right<1>)(w, address<bf16>(to));
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(finite);
}

PyObject* call_affine(PyObject*, PyObject* args) {
    unsigned long long x, w, bias, y;
    Task t = {};
    Py_ssize_t first, last;
    int parts, activation, add;
    if (!PyArg_ParseTuple(args, "(KKKK)(nnnn)nniiinn", &x, &w, &bias, &y, &t.x.rows, &t.x.columns,
                          &t.x.row, &t.x.column, &t.N, &t.step, &parts, &activation, &add, &first,
                          &last))
        return nullptr;
    t.x.from = address<const float>(x), t.w = address<const bf16>(w);
    t.bias = address<const float>(bias), t.y = address<float>(y);
    t.activation = static_cast<Activation>(activation), t.add = add != 0;
    long remainder;
    Py_BEGIN_ALLOW_THREADS
    remainder = (parts == 2 ? affine<2> : affine<1>)(t, first, last);
    Py_END_ALLOW_THREADS
    return remainder < 0 ? PyErr_NoMemory() : PyLong_FromLong(remainder);
}

PyMethodDef METHODS[] = {
    {"permit", call_permit, METH_NOARGS, "Ask the system for tile registers."},
    {"pack", call_pack, METH_VARARGS, "Pack a weight."},
    {"affine", call_affine, METH_VARARGS, "Map rows."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_amx", nullptr, -1, METHODS,
                      nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__amx(void) { return PyModule_Create(&MODULE); }
