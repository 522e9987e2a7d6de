//! Measures reading and writing of the formats, from memory to memory: one page of 1000 entries.

use std::hint::black_box;

use billing_csv::Columns;
use billing_format::Format;
use billing_model::{EntrySet, Page, Sink, Summary, UsageEntry, WholeSet};
use billing_sink::{FileSink, Plain};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use serde::de::IgnoredAny;

use crate::history::{self, PAGE_ENTRIES};

pub(crate) fn run(criterion: &mut Criterion) {
    let page = history::page();
    let json = history::json(&page);
    let mut csv = Vec::new();
    billing_csv::encode(&page.entries, Columns::WithApiKeyId, &mut csv);

    json_read(&mut group(criterion, "json-read", json.len()), &json);
    csv_read(&mut group(criterion, "csv-read", csv.len()), &csv);
    json_write(&mut group(criterion, "json-write", json.len()), &page, json.as_bytes());
    csv_write(&mut group(criterion, "csv-write", csv.len()), &page.entries, &csv);
    json_to_csv(&mut group(criterion, "json-to-csv", json.len()), &json);
    sums(&mut group(criterion, "sums", json.len()), &page.entries);
}

/// A group that shows the rates of entries and of bytes.
fn group<'a>(criterion: &'a mut Criterion, name: &str, bytes: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::ElementsAndBytes { elements: PAGE_ENTRIES, bytes: bytes as u64 });
    group
}

fn json_read(group: &mut BenchmarkGroup<'_, WallTime>, json: &str) {
    group.bench_function("floor-copy", |b| b.iter(|| black_box(json.as_bytes()).to_vec()));
    group
        .bench_function("floor-utf8", |b| b.iter(|| std::str::from_utf8(black_box(json.as_bytes())).is_ok()));
    group.bench_function("floor-tokens", |b| {
        b.iter(|| serde_json::from_str::<IgnoredAny>(black_box(json)).expect("JSON"));
    });
    // As in the client, it begins with bytes that still have to be checked as UTF-8.
    group.bench_function("page", |b| b.iter(|| read_json(black_box(json.as_bytes()))));
}

fn read_json(body: &[u8]) -> Page {
    let text = std::str::from_utf8(body).expect("UTF-8");
    Page::from_history_json(text).expect("a page")
}

fn sums(group: &mut BenchmarkGroup<'_, WallTime>, entries: &[UsageEntry]) {
    group.bench_function("summary", |b| {
        b.iter(|| {
            let mut summary = Summary::default();
            summary.extend(black_box(entries));
            summary
        });
    });
    group.bench_function("entry-set", |b| b.iter(|| black_box(entries).iter().collect::<EntrySet>()));
    group.bench_function("whole-set", |b| b.iter(|| black_box(entries).iter().collect::<WholeSet>()));
}

fn csv_read(group: &mut BenchmarkGroup<'_, WallTime>, csv: &[u8]) {
    group.bench_function("floor-copy", |b| b.iter(|| black_box(csv).to_vec()));
    group.bench_function("floor-records", |b| {
        let mut record = csv::ByteRecord::new();
        b.iter(|| {
            let mut reader = csv::Reader::from_reader(black_box(csv));
            let mut fields = 0;
            while reader.read_byte_record(&mut record).expect("CSV") {
                fields += record.len();
            }
            fields
        });
    });
    group.bench_function("page", |b| b.iter(|| billing_csv::decode(black_box(csv)).expect("a page")));
}

fn json_write(group: &mut BenchmarkGroup<'_, WallTime>, page: &Page, json: &[u8]) {
    let mut out = Vec::with_capacity(2 * json.len());
    group.bench_function("floor-copy", |b| {
        b.iter(|| {
            out.clear();
            out.extend_from_slice(black_box(json));
        });
    });
    group.bench_function("page", |b| {
        b.iter(|| {
            out.clear();
            black_box(page).write_json(&mut out);
        });
    });
    group.bench_function("ndjson-sink", |b| b.iter(|| sink(Format::Ndjson, &page.entries)));
}

fn csv_write(group: &mut BenchmarkGroup<'_, WallTime>, entries: &[UsageEntry], csv: &[u8]) {
    let mut out = Vec::with_capacity(2 * csv.len());
    group.bench_function("floor-copy", |b| {
        b.iter(|| {
            out.clear();
            out.extend_from_slice(black_box(csv));
        });
    });
    group.bench_function("page", |b| {
        b.iter(|| {
            out.clear();
            billing_csv::encode(black_box(entries), Columns::WithApiKeyId, &mut out);
        });
    });
    group.bench_function("csv-sink", |b| b.iter(|| sink(Format::Csv(Columns::WithApiKeyId), entries)));
}

/// A whole file with one page, in memory.
fn sink(format: Format, entries: &[UsageEntry]) -> Vec<u8> {
    let mut sink = FileSink::new(format, Plain(Vec::new()));
    sink.write(black_box(entries)).expect("memory");
    sink.finish().expect("memory")
}

/// The path of the data in an export, without network and disk.
fn json_to_csv(group: &mut BenchmarkGroup<'_, WallTime>, json: &str) {
    group.bench_function("floor-tokens", |b| {
        b.iter(|| serde_json::from_str::<IgnoredAny>(black_box(json)).expect("JSON"));
    });
    let mut out = Vec::with_capacity(2 * json.len());
    group.bench_function("page", |b| {
        b.iter(|| {
            out.clear();
            let page = read_json(black_box(json.as_bytes()));
            billing_csv::encode(&page.entries, Columns::WithApiKeyId, &mut out);
        });
    });
}
