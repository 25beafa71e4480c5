// Rows of mapped files, protein by protein, copied back to back and decoded to float32 on the way.
//
// A batch is megabytes that are read once and written once: what counts is memory. Threads share the
// rows out evenly, whatever protein they are of. Large batches are written past the caches, which
// would first read every line that is about to be overwritten.
//
// With AVX2 and F16C those are used; elsewhere, and where PORTABLE is defined, the compiler's types.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__) && !defined(PORTABLE)
#include <immintrin.h>
#define FAST __attribute__((target("avx2,f16c")))
#else
#define FAST
#endif

namespace {

// What is done with stored values: copied, float16 to float32, int8 times its row's scale to float32.
enum Way { COPY, WIDEN, SCALE };

struct Task {
    const int64_t *sources, *counts, *scales;  // of each protein: addresses, rows
    int64_t proteins, width, size;             // values of a row, bytes of a stored value
    Way way;
    bool past;  // write past the caches
    char* out;

    int64_t written() const { return width * (way == COPY ? size : 4); }
};

#if defined(__x86_64__) && !defined(PORTABLE)

inline float widen(uint16_t x) FAST;
inline float widen(uint16_t x) { return _cvtsh_ss(x); }

// Values until `to` is at a multiple of 32 bytes, as writing past the caches asks for.
inline int64_t before(const void* to, int64_t size, int64_t n) {
    return std::min<int64_t>(n, (32 - reinterpret_cast<uintptr_t>(to) % 32) % 32 / size);
}

FAST void copy(char* to, const char* from, int64_t n, bool past) {
    if (!past) {
        memcpy(to, from, n);
        return;
    }
    int64_t i = before(to, 1, n);
    memcpy(to, from, i);
    for (; i + 128 <= n; i += 128) {
        const __m256i* at = reinterpret_cast<const __m256i*>(from + i);
        __m256i* into = reinterpret_cast<__m256i*>(to + i);
        const __m256i a = _mm256_loadu_si256(at), b = _mm256_loadu_si256(at + 1);
        const __m256i c = _mm256_loadu_si256(at + 2), d = _mm256_loadu_si256(at + 3);
        _mm256_stream_si256(into, a);
        _mm256_stream_si256(into + 1, b);
        _mm256_stream_si256(into + 2, c);
        _mm256_stream_si256(into + 3, d);
    }
    memcpy(to + i, from + i, n - i);
}

FAST void widen(float* to, const uint16_t* from, int64_t n, bool past) {
    int64_t i = 0;
    for (const int64_t head = before(to, 4, n); i < head; i++) to[i] = widen(from[i]);
    for (; i + 16 <= n; i += 16) {
        const __m128i* at = reinterpret_cast<const __m128i*>(from + i);
        const __m256 a = _mm256_cvtph_ps(_mm_loadu_si128(at));
        const __m256 b = _mm256_cvtph_ps(_mm_loadu_si128(at + 1));
        if (past) {
            _mm256_stream_ps(to + i, a);
            _mm256_stream_ps(to + i + 8, b);
        } else {
            _mm256_store_ps(to + i, a);
            _mm256_store_ps(to + i + 8, b);
        }
    }
    for (; i < n; i++) to[i] = widen(from[i]);
}

FAST void scale(float* to, const int8_t* from, float by, int64_t n, bool past) {
    int64_t i = 0;
    for (const int64_t head = before(to, 4, n); i < head; i++) to[i] = from[i] * by;
    const __m256 factor = _mm256_set1_ps(by);
    for (; i + 8 <= n; i += 8) {
        const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + i));
        const __m256 x = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight)), factor);
        if (past) {
            _mm256_stream_ps(to + i, x);
        } else {
            _mm256_store_ps(to + i, x);
        }
    }
    for (; i < n; i++) to[i] = from[i] * by;
}

void fence() { _mm_sfence(); }
bool can_run() { return __builtin_cpu_supports("avx2"); }  // F16C is older

#else

inline float widen(uint16_t x) {
    _Float16 half;
    memcpy(&half, &x, 2);
    return half;
}
void copy(char* to, const char* from, int64_t n, bool) { memcpy(to, from, n); }
void widen(float* to, const uint16_t* from, int64_t n, bool) {
    for (int64_t i = 0; i < n; i++) to[i] = widen(from[i]);
}
void scale(float* to, const int8_t* from, float by, int64_t n, bool) {
    for (int64_t i = 0; i < n; i++) to[i] = from[i] * by;
}
void fence() {}
bool can_run() { return true; }

#endif

// Rows `first` to `last` of one protein.
FAST void rows(const Task& t, int64_t protein, int64_t first, int64_t last, char* out) {
    const char* from = reinterpret_cast<const char*>(t.sources[protein]) + first * t.width * t.size;
    const int64_t n = (last - first) * t.width;
    float* to = reinterpret_cast<float*>(out);
    if (t.way == COPY) return copy(out, from, n * t.size, t.past);
    if (t.way == WIDEN) return widen(to, reinterpret_cast<const uint16_t*>(from), n, t.past);
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(t.scales[protein]);
    const int8_t* values = reinterpret_cast<const int8_t*>(from);
    for (int64_t row = first; row < last; row++, to += t.width, values += t.width)
        scale(to, values, widen(scales[row]), t.width, t.past);
}

// Rows `first` to `last` of all that are written.
void share(const Task& t, int64_t first, int64_t last) {
    int64_t start = 0;
    for (int64_t i = 0; i < t.proteins && start < last; start += t.counts[i++]) {
        const int64_t from = std::max(first, start), to = std::min(last, start + t.counts[i]);
        if (from < to) rows(t, i, from - start, to - start, t.out + from * t.written());
    }
    fence();
}

void gather(const Task& t, int64_t threads) {
    int64_t total = 0;
    for (int64_t i = 0; i < t.proteins; i++) total += t.counts[i];
    std::vector<std::thread> others;
    int64_t share_end = total / threads;  // the caller's own is the first
    const int64_t own = share_end;
    for (int64_t i = 1; i < threads; i++) {
        const int64_t next = total * (i + 1) / threads;
        try {
            others.emplace_back(share, std::cref(t), share_end, next);
        } catch (const std::system_error&) {  // no more threads are to be had
            share(t, share_end, next);
        }
        share_end = next;
    }
    share(t, 0, own);
    for (std::thread& other : others) other.join();
}

// Addresses come as numbers; Python checks what they point to.
PyObject* call(PyObject*, PyObject* args) {
    unsigned long long sources, counts, scales, out;
    Py_ssize_t proteins, width, size, threads;
    int way, past;
    if (!PyArg_ParseTuple(args, "KKKKnnniin", &sources, &counts, &scales, &out, &proteins, &width,
                          &size, &way, &past, &threads))
        return nullptr;
    const auto numbers = [](unsigned long long at) { return reinterpret_cast<const int64_t*>(at); };
    const Task task = {numbers(sources), numbers(counts), numbers(scales), proteins, width, size,
                       static_cast<Way>(way), past != 0, reinterpret_cast<char*>(out)};
    Py_BEGIN_ALLOW_THREADS
    gather(task, std::max<int64_t>(threads, 1));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

PyMethodDef METHODS[] = {
    {"gather", call, METH_VARARGS, "Copy rows back to back."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_row_gather", nullptr, -1, METHODS,
                      nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__row_gather(void) {
    if (!can_run()) {
        PyErr_SetString(PyExc_ImportError, "this processor has no AVX2");
        return nullptr;
    }
    return PyModule_Create(&MODULE);
}
