/* Names as C++ has them: namespaces, templates, lambdas, methods, an exception that nobody catches. */
#include <cstring>
#include <stdexcept>
#include <vector>

namespace outer { namespace {
template <typename Kind> struct Holder {
    Kind value;
    __attribute__((noinline)) int reads(const int *volatile from) const { return *from + static_cast<int>(value); }
};
template <typename Call> __attribute__((noinline)) int calls(Call call) { return call(1) + 1; }
} }

int main(int count, char **arguments)
{
    if (count > 1 && !std::strcmp(arguments[1], "throw")) throw std::runtime_error("nobody catches this");
    outer::Holder<long> holder{count};
    return outer::calls([&](int more) { return holder.reads(nullptr) + more; });
}
