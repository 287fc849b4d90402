// envchange: a native thread that changes the process's environment, as any C or C++ library may.
//
// No Python in it: the driver loads it with ctypes. Built once against glibc 2.17.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <string>
#include <thread>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

std::atomic<bool> running{false};
std::atomic<long> changes{0};
std::mutex environment;  // the mitigation "lock": held around each change, and by the driver around each execution
std::thread changer;

// Each new name makes glibc's setenv reallocate the array of pointers. The kernel refuses an environment of more
// than a quarter of the stack limit (2 MiB of 8), so that a thread which adds for ever would fail by E2BIG.
constexpr long MOST_NAMES = 20000;

void change_once(const std::string &change, long number) {
    char name[32];
    if (change == "overwrite") {
        setenv("CM_CHANGED", number % 2 ? "short" : "a value that is longer", 1);
        return;
    }
    std::snprintf(name, sizeof name, "CM_%ld", number % MOST_NAMES);
    setenv(name, "x", 1);
    if (change == "shrink") {
        unsetenv(name);
    }
}

// Holds what nobody reads: without it the compiler leaves out both the blocks and what is written to them.
void *volatile block;

// What a thread does besides: memory of the size that the array of pointers had is used again, for text. Both blocks
// stay: the text fits where the old array was, and the other one lies behind the new array, so that it cannot grow in
// place. Without them growing mostly does no harm.
void use_memory(long pointers) {
    const size_t size = static_cast<size_t>(pointers) * sizeof(char *);
    block = std::malloc(size);
    std::memset(block, 'A', size);
    block = std::malloc(size);
}

long count_names() {
    long count = 0;
    for (char **name = environ; *name; ++name) {
        ++count;
    }
    return count;
}

void change_until_stopped(const std::string &change, bool locked, long most) {
    const long before = count_names();
    for (long number = 0; running && number < most; ++number) {
        if (locked) {
            std::lock_guard<std::mutex> guard(environment);
            change_once(change, number);
        } else {
            change_once(change, number);
        }
        ++changes;
        if (change == "grow") {
            use_memory(before + number + 1);
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    }
}

}  // namespace

// Change the environment `most` times in this thread, before any other was started.
EXPORT void envchange_now(const char *change, long most) {
    running = true;
    change_until_stopped(change, false, most);
    running = false;
}

EXPORT void envchange_start(const char *change, int locked) {
    running = true;
    changer = std::thread(change_until_stopped, std::string(change), locked != 0,
                          std::string(change) == "grow" ? MOST_NAMES : std::numeric_limits<long>::max());
}

// Returns how many changes were made.
EXPORT long envchange_stop(void) {
    running = false;
    if (changer.joinable()) {
        changer.join();
    }
    return changes;
}

EXPORT void envchange_lock(void) { environment.lock(); }
EXPORT void envchange_unlock(void) { environment.unlock(); }
