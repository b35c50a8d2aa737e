"""Shared fixtures: a real, tiny model directory, a tiny base to fine-tune, and the real command line."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_LENGTH = 96

SENTENCES = [
    "Pyongyang membantah telah mengirim peluru artileri kepada pasukan Rusia di Ukraina.",
    "Washington menuduh Korea Utara memasok rudal balistik untuk perang Moskow.",
    "Putin menyambut Kim Jong Un di stasiun kereta Vladivostok pada Rabu pagi.",
    "Dewan Keamanan PBB memperpanjang sanksi terhadap perusahaan perdagangan Korea Utara.",
    "Satelit pengintai itu gagal mengorbit karena mesin roket tahap kedua meledak.",
    "Menteri luar negeri kedua negara bertemu di Jakarta untuk membahas kerja sama ekonomi.",
    "Kremlin menyebut laporan tentang kiriman senjata itu sebagai khayalan media Barat.",
    "Gedung Putih memperingatkan bahwa penjualan amunisi melanggar resolusi PBB.",
    "Harga beras di pasar induk naik dua ratus rupiah sejak pekan lalu.",
    "Hujan lebat membuat jalan di pantai selatan tergenang selama tiga jam.",
    "Juru bicara Kementerian Pertahanan mengatakan latihan gabungan dimulai pada Senin.",
    "Kim Yo Jong menuntut Seoul meminta maaf atas selebaran yang diterbangkan ke utara.",
    "Lavrov menegaskan perjanjian dengan Pyongyang sah menurut hukum internasional.",
    "Departemen Keuangan AS membekukan aset tiga perusahaan yang menyalurkan dana.",
    "Ribuan kontainer berisi amunisi tiba di pelabuhan Rajin sebelum akhir tahun.",
    "Rusia menawarkan bahan pangan dan minyak sebagai pembayaran atas senjata.",
    "Para ahli menemukan serpihan rudal buatan Korea Utara di kota Kharkiv.",
    "Presiden Korea Selatan meminta Beijing menahan langkah tetangganya.",
    "Peluncuran roket berikutnya dijadwalkan pada bulan November dari pantai barat.",
    "Moskow berjanji membantu Pyongyang membangun satelit di kosmodrom Vostochny.",
    "Amerika Serikat dan Jepang menggelar pertemuan darurat di New York.",
    "Kapal perang itu berlayar menuju Laut Jepang bersama dua kapal perusak.",
    "Zelensky meminta bantuan tambahan berupa sistem pertahanan udara.",
    "Media pemerintah menyiarkan gambar parade militer pada malam hari.",
    "Utusan khusus itu mengunjungi Pyongyang untuk menyampaikan surat presiden.",
    "Panel ahli melaporkan pelanggaran embargo minyak di laut lepas.",
    "Tentara Korea Utara dikabarkan berlatih di wilayah timur Rusia.",
    "Pemerintah Indonesia mengajak semua pihak kembali berunding.",
    "Kepala badan intelijen mengatakan dua belas ribu prajurit sudah diberangkatkan.",
    "Kami menolak tuduhan yang tidak berdasar itu, kata duta besar Rusia.",
    "Tidak ada bukti bahwa kami menjual senjata kepada siapa pun.",
    "Hubungan antara kedua negara makin erat sejak kunjungan tahun lalu.",
    "Tim sepak bola nasional menang tiga gol tanpa balas di Surabaya.",
    "Warga desa menanam pohon di tepi sungai bersama mahasiswa.",
    "Sanksi baru menargetkan bank yang memproses pembayaran untuk program rudal.",
    "Negara itu menyatakan hak berdaulat untuk mengembangkan program luar angkasa.",
    "Blok Barat menyalahkan Moskow atas serangan terhadap pembangkit listrik.",
    "Dunia multipolar sedang lahir, ujar pemimpin Rusia dalam pidatonya.",
    "Perundingan damai berakhir tanpa pernyataan bersama pada Jumat malam.",
    "Laporan itu menyebut pesawat nirawak Iran dipakai dalam serangan semalam.",
]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def load_benchmark():
    """`load_benchmark("furniture")`: a script of `benchmarks/` as a module."""

    def load(name: str):
        spec = importlib.util.spec_from_file_location(f"{name}_benchmark", ROOT / f"benchmarks/{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def indonesian() -> list[str]:
    """Some forty Indonesian sentences, the tiny tokenizer's corpus."""
    return list(SENTENCES)


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """A WordPiece tokenizer of a few hundred pieces, as `tokenizers.Tokenizer`."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.trainers import WordPieceTrainer

    from training.tokenizer import SPECIAL_TOKENS, train_tokenizer

    corpus = [sentence for sentence in SENTENCES for _ in range(5)]
    tokenizer = train_tokenizer(corpus, 400)
    # The library numbers characters in an order that changes from run to run, and breaks ties by those numbers. With the
    # characters numbered beforehand the pieces, and with them the scores of the tiny models, are the same every time.
    counted = Tokenizer(WordPiece(unk_token="[UNK]"))
    counted.normalizer, counted.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    normal = [tokenizer.normalizer.normalize_str(sentence) for sentence in SENTENCES]
    words = {word for sentence in normal for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(sentence)}
    characters = sorted({word[0] for word in words} | {f"##{character}" for word in words for character in word[1:]})
    numbered = WordPieceTrainer(vocab_size=400, special_tokens=[*SPECIAL_TOKENS, *characters], min_frequency=5, show_progress=False)
    counted.train_from_iterator(corpus, numbered)
    tokenizer.model = WordPiece(counted.get_vocab(), unk_token="[UNK]")
    return tokenizer


def _config(tokenizer, **more):
    from transformers import BertConfig

    return BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=MAX_LENGTH, pad_token_id=tokenizer.token_to_id("[PAD]"), initializer_range=0.3, **more,
    )  # fmt: skip


def _save_classifier(directory: Path, tokenizer, labels: list[str], problem: str) -> None:
    import torch
    from transformers import BertForSequenceClassification

    from training.tokenizer import save_tokenizer

    torch.manual_seed(7)
    config = _config(
        tokenizer, id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)}, problem_type=problem
    )
    model = BertForSequenceClassification(config).eval()
    # Random heads lean one way for every sentence; centred and scaled, each label comes first for some.
    with torch.inference_mode():
        inputs = [tokenizer.encode(sentence).ids for sentence in SENTENCES]
        logits = torch.cat([model(torch.tensor([ids])).logits for ids in inputs])
        scale = 1.5 / logits.std(0)
        model.classifier.weight *= scale[:, None]
        model.classifier.bias.copy_((model.classifier.bias - logits.mean(0)) * scale)
    model.save_pretrained(directory)
    save_tokenizer(tokenizer, directory, MAX_LENGTH)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, tiny_tokenizer) -> Path:
    """A complete multi-label model directory with the shipped label scheme; copy it before changing anything in it."""
    from classify.classifier import Classifier
    from classify.labels import LabelScheme
    from training.export import export

    directory = tmp_path_factory.mktemp("models") / "tiny"
    scheme = LabelScheme.load(ROOT / "configs/labels.yaml")
    _save_classifier(directory, tiny_tokenizer, scheme.ids, "multi_label_classification")
    shutil.copy(ROOT / "configs/labels.yaml", directory / "labels.yaml")
    export(directory)
    scores = [prediction.scores for prediction in Classifier.from_pretrained(directory).predict(SENTENCES)]
    thresholds = {}
    for label in scheme.ids:
        ranked = sorted(score[label] for score in scores)
        # Halfway between two scores, so that no score lies on the threshold.
        middle = max(range(len(ranked) * 3 // 4, len(ranked) - 2), key=lambda i: ranked[i + 1] - ranked[i])
        thresholds[label] = (ranked[middle] + ranked[middle + 1]) / 2
    decisions = {"labels": {label: {"threshold": value} for label, value in thresholds.items()}, "context": False}
    (directory / "decisions.json").write_text(json.dumps(decisions), encoding="utf-8")
    return directory


@pytest.fixture
def model_copy(tiny_model, tmp_path) -> Path:
    """The tiny model, free to be changed."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model_copy"))


@pytest.fixture(scope="session")
def standard_model(tmp_path_factory, tiny_tokenizer) -> Path:
    """What `save_pretrained` alone writes for a three-way sentiment model: no labels.yaml, decisions.json or onnx/."""
    directory = tmp_path_factory.mktemp("models") / "standard"
    _save_classifier(directory, tiny_tokenizer, ["negatif", "netral", "positif"], "single_label_classification")
    return directory


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory, tiny_tokenizer) -> Path:
    """A BERT masked-language model without classification head, to fine-tune."""
    import torch
    from transformers import BertForMaskedLM

    from training.tokenizer import save_tokenizer

    directory = tmp_path_factory.mktemp("bases") / "tiny-base"
    torch.manual_seed(11)
    BertForMaskedLM(_config(tiny_tokenizer)).eval().save_pretrained(directory)
    save_tokenizer(tiny_tokenizer, directory, MAX_LENGTH)
    return directory


@pytest.fixture(scope="session")
def cli_environment():
    """Environment of a subprocess that finds the package whether or not it is installed."""

    def environment(*first: Path, **more: str) -> dict[str, str]:
        path = os.pathsep.join([*(str(one) for one in first), str(ROOT)])
        return {**os.environ, "PYTHONPATH": path, **more}

    return environment


@pytest.fixture(scope="session")
def run_cli(tmp_path_factory, cli_environment):
    """Run `python -m classify ...` outside the repository: `run_cli("predict", path, stdin=b"...", env={...}, cwd=...)`.

    Returns the CompletedProcess with stdout and stderr decoded from UTF-8, line ends as they are.
    """
    outside = tmp_path_factory.mktemp("outside")

    def run(*arguments, stdin: bytes = b"", env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 300, through=()):
        result = subprocess.run(
            [*through, sys.executable, "-m", "classify", *map(str, arguments)], input=stdin, capture_output=True,
            env=env or cli_environment(), cwd=cwd or outside, timeout=timeout, check=False,
        )  # fmt: skip
        result.stdout, result.stderr = result.stdout.decode("utf-8"), result.stderr.decode("utf-8")
        return result

    return run


@pytest.fixture(scope="session")
def unprivileged() -> list[str]:
    """What to run a command through so that permissions count for the superuser too: `run_cli(..., through=unprivileged)`."""
    if not hasattr(os, "geteuid"):
        pytest.skip("permissions are Unix's")
    if os.geteuid() != 0:
        return []
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if shutil.which("setpriv") is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("the superuser may read everything")
    return prefix


@pytest.fixture(scope="session")
def assert_refused():
    """Check that a command ended as a user's mistake does: exit code 2, one `error:` sentence, no traceback, no rows."""

    def check(result, *words: str) -> str:
        assert result.returncode == 2, result.stderr
        assert "Traceback" not in result.stderr
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("error: ")
        for word in words:
            assert word in lines[0]
        return lines[0]

    return check
