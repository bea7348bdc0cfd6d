#!/bin/sh
# scripts/fetch-data.sh with small stand-ins for the homes of the data (file:// URLs), and with the real sets if they are there.
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
fetch=$RISTRETTO_ROOT/scripts/fetch-data.sh
data=$scratch/data
unset RISTRETTO_DATA
if ! command -v curl >/dev/null; then
    skip 'downloads' 'there is no curl'
    finish
fi

# What does not need the real data.
check_status 0 'help' "$fetch" --help
check_grep 'help names the sets' '\[mnist\] \[cifar10\]' "$out"
check_status 2 'an unknown set is a usage error' "$fetch" --to "$data" cifar100
check_grep 'it is named' "unknown argument 'cifar100'" "$err"
check_status 2 'an option without its folder' "$fetch" --from
check_status 3 'a folder that is not there' "$fetch" --from "$scratch/none" mnist
check_status 3 'a folder without the files' "$fetch" --from "$scratch" --to "$data" mnist
check_grep 'the file is named' 'there is no train-images-idx3-ubyte' "$err"
check_status 3 'a folder without CIFAR-10' "$fetch" --from "$scratch" --to "$data" cifar10
check_status 4 'no home answers' env MNIST_URLS="file://$scratch/a file://$scratch/b" "$fetch" --to "$data" mnist
check_grep 'the first home was tried' "$scratch/a/train-images-idx3-ubyte.gz" "$out"
check_grep 'the second home was tried' "$scratch/b/train-images-idx3-ubyte.gz" "$out"
mkdir -p "$scratch/wrong"
echo 'not MNIST' | gzip >"$scratch/wrong/train-images-idx3-ubyte.gz"
check_status 3 'a wrong file is refused' env MNIST_URLS="file://$scratch/wrong" "$fetch" --to "$data" mnist
check_grep 'the checksum is named' 'SHA-256 of the contents differs' "$err"
check 'nothing is left of it' test ! -e "$data/mnist/train-images-idx3-ubyte.gz"
echo 'not CIFAR' >"$scratch/wrong/cifar-10-binary.tar.gz"
check_status 3 'a wrong archive is refused' env CIFAR10_URLS="file://$scratch/wrong" "$fetch" --to "$data" cifar10
check_grep 'its checksum is named' 'MD5 differs' "$err"
check 'nothing is left of that' test ! -e "$data/cifar10"
mkdir -p "$scratch/short/cifar10"
for n in 1 2 3 4 5; do : >"$scratch/short/cifar10/data_batch_$n.bin"; done
: >"$scratch/short/cifar10/test_batch.bin"
check_status 3 'files of a wrong size are refused' "$fetch" --from "$scratch/short" --to "$data" cifar10
check_grep 'the size is named' '0 bytes, expected 30730000' "$err"
for n in 1 2 3 4 5; do truncate -s 30730000 "$scratch/short/cifar10/data_batch_$n.bin"; done
truncate -s 30730000 "$scratch/short/cifar10/test_batch.bin"
check_status 0 'files of the right size are taken' "$fetch" --from "$scratch/short" --to "$data" cifar10
check 'they are there' test -e "$data/cifar10/test_batch.bin"
check_status 0 'and only checked the next time' "$fetch" --to "$data" cifar10
rm -rf "$data" "$scratch/short"

if [ ! -e "$RISTRETTO_SHARED_DATA/mnist/train-images-idx3-ubyte.gz" ]; then
    skip 'the real MNIST' "$RISTRETTO_SHARED_DATA holds no MNIST"
    finish
fi
home=$(cd "$RISTRETTO_SHARED_DATA/mnist" && pwd)
check_status 0 'MNIST from a local folder' "$fetch" --from "$RISTRETTO_SHARED_DATA" --to "$data" mnist
check 'four files' test "$(find "$data/mnist" -type f | wc -l)" = 4
check_status 0 'what is there is only verified' env RISTRETTO_DATA="$data" MNIST_URLS=file:///none "$fetch" mnist
check_grep 'all of it' 'ok .*t10k-labels-idx1-ubyte' "$out"
printf x >>"$data/mnist/t10k-labels-idx1-ubyte.gz"
check_status 3 'a byte too many is found' "$fetch" --to "$data" mnist
check_grep 'and the file named' 'mnist/t10k-labels-idx1-ubyte.gz: not the file of this name' "$err"
rm "$data"/mnist/t10k-*
head -c 1000 "$home/t10k-images-idx3-ubyte.gz" >"$data/mnist/t10k-images-idx3-ubyte.gz.part"
check_status 0 'a download goes on where it stopped' env MNIST_URLS="file:///none file://$home" "$fetch" --to "$data" mnist
check 'and leaves no part' test ! -e "$data/mnist/t10k-images-idx3-ubyte.gz.part"
rm "$data/mnist/t10k-images-idx3-ubyte.gz"
head -c 1000 /dev/zero >"$data/mnist/t10k-images-idx3-ubyte.gz.part"
check_status 3 'a wrong part is continued, and found out' env MNIST_URLS="file://$home" "$fetch" --to "$data" mnist
check_status 0 'the next time it is fetched anew' env MNIST_URLS="file://$home" "$fetch" --to "$data" mnist
finish
