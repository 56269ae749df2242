package fetch

import (
	"strings"
	"testing"
)

// providers are headers as real software writes them into the mail of a catch-all mailbox, with other names and
// addresses. Each has a trap in To, which must not be believed.
var providers = []struct {
	name   string
	fields []Field
	prefix string
	want   string
	header string
}{
	{"Postfix, virtual mailbox", []Field{{Name: "X-Original-To"}}, "", "jaco@kroon.example", `
Return-Path: <sender@example.org>
X-Original-To: jaco@kroon.example
Delivered-To: catchall@isp.example
Received: from out.example.org (out.example.org [192.0.2.7])
	(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
	(No client certificate requested)
	by mx1.isp.example (Postfix) with ESMTPS id 4Xy1kP0Zq9z3v
	for <jaco@kroon.example>; Wed,  4 Nov 2026 10:11:12 +0200 (SAST)
To: <trap@kroon.example>
`},
	{"Postfix, by its Received", []Field{{Name: "Received", By: "*.isp.example"}}, "", "jaco@kroon.example", `
Return-Path: <sender@example.org>
Delivered-To: catchall@isp.example
Received: from mx1.isp.example (mx1.isp.example [198.51.100.3])
	(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
	by store4.isp.example (Postfix) with ESMTPS id 4Xy1kP0Zq9z3v
	for <jaco@kroon.example>; Wed,  4 Nov 2026 10:11:12 +0200 (SAST)
Received: from liar.example.org by store4.isp.example with SMTP id 1 for <trap@kroon.example>; Wed, 4 Nov 2026 10:11:10 +0200
To: <trap@kroon.example>
`},
	{"Postfix, several recipients: no for clause", []Field{{Name: "Received"}}, "", "", `
Return-Path: <sender@example.org>
Received: from out.example.org (out.example.org [192.0.2.7])
	by mx1.isp.example (Postfix) with ESMTPS id 4Xy1kP0Zq9z3v;
	Wed,  4 Nov 2026 10:11:12 +0200 (SAST)
Received: from [10.0.0.2] by out.example.org with ESMTPSA id 77 for <trap@kroon.example>; Wed, 4 Nov 2026 10:11:11 +0200
To: <trap@kroon.example>
`},
	{"Dovecot LMTP behind Postfix", []Field{{Name: "Delivered-To"}}, "", "anna@kroon.example", `
Return-Path: <sender@example.org>
Delivered-To: anna@kroon.example
Received: from mx1.isp.example ([198.51.100.3])
	by store4.isp.example with LMTP
	id YBcxKPDDSWdDGwAAmKgHEw
	(envelope-from <sender@example.org>)
	for <anna@kroon.example>; Wed, 04 Nov 2026 08:11:12 +0000
Received: from out.example.org (out.example.org [192.0.2.7])
	by mx1.isp.example (Postfix) with ESMTPS id 4Xy1kP0Zq9z3v
	for <anna@kroon.example>; Wed,  4 Nov 2026 08:11:12 +0000 (UTC)
To: trap@kroon.example
`},
	{"Dovecot LMTP, by its Received", []Field{{Name: "Received"}}, "", "anna@kroon.example", `
Return-Path: <sender@example.org>
Delivered-To: catchall
Received: from mx1.isp.example ([198.51.100.3])
	by store4.isp.example with LMTP
	id YBcxKPDDSWdDGwAAmKgHEw
	(envelope-from <sender@example.org>)
	for <anna@kroon.example>; Wed, 04 Nov 2026 08:11:12 +0000
To: trap@kroon.example
`},
	{"Exim, envelope_to_add, several at once", []Field{{Name: "Envelope-To"}}, "",
		"jaco@kroon.example|anna@kroon.example", `
Return-path: <sender@example.org>
Envelope-to: jaco@kroon.example,
 anna@kroon.example
Delivery-date: Wed, 04 Nov 2026 10:11:12 +0200
Received: from out.example.org ([192.0.2.7]:46318)
	by cpanel7.isp.example with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384
	(Exim 4.98)
	(envelope-from <sender@example.org>)
	id 1tABcd-00000005Xyz-2kQ9;
	Wed, 04 Nov 2026 10:11:12 +0200
To: trap@kroon.example
`},
	{"Exim, by its Received", []Field{{Name: "Received", By: "cpanel7.isp.example"}}, "", "jaco@kroon.example", `
Return-path: <sender@example.org>
Delivery-date: Wed, 04 Nov 2026 10:11:12 +0200
Received: from out.example.org ([192.0.2.7]:46318 helo=for)
	by cpanel7.isp.example with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384
	(Exim 4.98)
	(envelope-from <sender@example.org>)
	id 1tABcd-00000005Xyz-2kQ9
	for jaco@kroon.example;
	Wed, 04 Nov 2026 10:11:12 +0200
To: trap@kroon.example
`},
	{"qmail, virtual domain", []Field{{Name: "Delivered-To"}}, "mbox-kroon-", "jaco@kroon.example", `
Return-Path: <sender@example.org>
Delivered-To: mbox-kroon-jaco@kroon.example
Received: (qmail 27312 invoked by uid 89); 4 Nov 2026 08:11:12 -0000
Received: from unknown (HELO out.example.org) (192.0.2.7)
  by mx1.isp.example with SMTP; 4 Nov 2026 08:11:12 -0000
To: trap@kroon.example
`},
	{"qmail has no for clause", []Field{{Name: "Received", By: "mx1.isp.example"}}, "", "", `
Return-Path: <sender@example.org>
Received: (qmail 27312 invoked from network); 4 Nov 2026 08:11:12 -0000
Received: from unknown (HELO for <trap@kroon.example>) (192.0.2.7)
  by mx1.isp.example with SMTP; 4 Nov 2026 08:11:12 -0000
To: trap@kroon.example
`},
	{"vpopmail, the domain is the prefix", []Field{{Name: "Delivered-To"}}, "kroon.example-", "jaco@kroon.example", `
Return-Path: <sender@example.org>
Delivered-To: kroon.example-jaco@kroon.example
Received: (qmail 27312 invoked by uid 89); 4 Nov 2026 08:11:12 -0000
To: trap@kroon.example
`},
	{"mailbox above, alias below", []Field{{Name: "Delivered-To", Nth: 2}}, "", "jaco@kroon.example", `
Return-Path: <sender@example.org>
Delivered-To: catchall@kroon.example
Received: by store4.isp.example (Postfix, from userid 1001)
	id 4Xy1kQ1jD0z3w; Wed,  4 Nov 2026 10:11:13 +0200 (SAST)
Delivered-To: jaco@kroon.example
Received: from out.example.org (out.example.org [192.0.2.7])
	by mx1.isp.example (Postfix) with ESMTPS id 4Xy1kP0Zq9z3v
	for <jaco@kroon.example>; Wed,  4 Nov 2026 10:11:12 +0200 (SAST)
To: trap@kroon.example
`},
	{"a field for each recipient", []Field{{Name: "X-Envelope-To", All: true}}, "",
		"jaco@kroon.example|anna@kroon.example", `
Return-Path: <sender@example.org>
X-Envelope-To: <jaco@kroon.example>
X-Envelope-To: <anna@kroon.example>
Received: from out.example.org (out.example.org [192.0.2.7]) by mail.isp.example (8.18.1/8.18.1) with ESMTPS id 4A48BCxy012345
	(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NOT); Wed, 4 Nov 2026 10:11:12 +0200
X-Envelope-To: <trap@kroon.example>
To: trap@kroon.example
`},
	{"sendmail, by its Received", []Field{{Name: "Received"}}, "", "jaco@kroon.example", `
Return-Path: <sender@example.org>
Received: from out.example.org (out.example.org [192.0.2.7])
	by mail.isp.example (8.18.1/8.18.1) with ESMTPS id 4A48BCxy012345
	(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NOT)
	for <jaco@kroon.example>; Wed, 4 Nov 2026 10:11:12 +0200
To: trap@kroon.example
`},
	{"hosting with a filter that adds the field below", []Field{{Name: "Envelope-To"}}, "", "jaco@kroon.example", `
Return-Path: <sender@example.org>
Authentication-Results: mx.isp.example; spf=pass smtp.mailfrom=example.org
Received: from out.example.org ([192.0.2.7]) by mx.isp.example (mxhost001
 [203.0.113.9]) with ESMTPS (Nemesis) id 1MtfNl-1tK2bC3pQr-00v9aB for
 <jaco@kroon.example>; Wed, 04 Nov 2026 09:11:12 +0100
Envelope-To: <jaco@kroon.example>
To: trap@kroon.example
`},
	{"the same, by its Received", []Field{{Name: "Received", By: "mx.isp.example"}}, "", "jaco@kroon.example", `
Received: from out.example.org ([192.0.2.7]) by mx.isp.example (mxhost001
 [203.0.113.9]) with ESMTPS (Nemesis) id 1MtfNl-1tK2bC3pQr-00v9aB for
 <jaco@kroon.example>; Wed, 04 Nov 2026 09:11:12 +0100
To: trap@kroon.example
`},
	{"a large mail service: two hops, the for clause in the second", []Field{{Name: "X-Forwarded-To"}, {Name: "Received", Nth: 2}},
		"", "jaco@kroon.example", `
Delivered-To: catchall@isp.example
Received: by 2001:db8:6402:3b2:b0:5c8:7a1d with SMTP id r18csp1234567edb;
        Wed, 4 Nov 2026 00:11:12 -0800 (PST)
Received: from out.example.org (out.example.org. [192.0.2.7])
        by mx.isp.example with ESMTPS id 4fb4d7f45d1cf-5cf03b8a1b2si1234567a12.123.2026.11.04.00.11.12
        for <jaco@kroon.example>
        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);
        Wed, 04 Nov 2026 00:11:12 -0800 (PST)
To: trap@kroon.example
`},
	{"an office service: no for clause, words without a clause", []Field{{Name: "Received"}}, "", "", `
Received: from DB0001.eurprd01.isp.example (2001:db8:10a6:10:4cd::18) by
 PR0002.eurprd01.isp.example with HTTPS; Wed, 4 Nov 2026 08:11:12 +0000
Received: from AM0003.eurprd01.isp.example (2001:db8:10a6:20b::10) by DB0001.eurprd01.isp.example
 (2001:db8:10a6:10:4cd::18) with Microsoft SMTP Server (version=TLS1_2,
 cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.8114.30; Wed, 4 Nov 2026 08:11:11 +0000
To: trap@kroon.example
`},
	{"several recipients, said so", []Field{{Name: "Received"}}, "", "", `
Received: from out.example.org by mail.isp.example with SMTP id 1 for multiple recipients; Wed, 4 Nov 2026 08:11:12 +0000
To: trap@kroon.example
`},
	{"bytes that are no header", []Field{{Name: "X-Envelope-To"}}, "", "jaco@kroon.example", `
>From sender@example.org Wed Nov  4 10:11:12 2026
X-Envelope-To : jaco@kroon.example
To: trap@kroon.example
`},
}

func TestProviders(t *testing.T) {
	for _, p := range providers {
		d := Multi{Fields: p.fields, Local: []string{"kroon.example"}}
		if p.prefix != "" {
			d.Prefixes = []string{p.prefix}
		}
		header := strings.ReplaceAll(p.header[1:], "\n", "\r\n") + "\r\n"
		if got, err := to(t, d, header); got != p.want || (err == nil) != (p.want != "") {
			t.Errorf("%s: %q, %v; want %q", p.name, got, err, p.want)
		}
	}
}

// TestS5_Received: whoever says HELO has words put into a Received field, and brings fields of his own.
func TestS5_Received(t *testing.T) {
	const end = "; Wed, 4 Nov 2026 10:11:12 +0200"
	for _, c := range []struct {
		value string
		want  received
	}{
		{"from a (b [1.2.3.4]) by MX.isp.example (Postfix) with ESMTP id 4XY for <a@x>" + end,
			received{by: "mx.isp.example", id: "4XY", to: "a@x"}},
		{"by h.example. id 1 for a@x" + end, received{by: "h.example", id: "1", to: "a@x"}},
		{"FROM a BY h ID 1 FOR a@x" + end, received{by: "h", id: "1", to: "a@x"}},
		{"from for by h for <a@x>" + end, received{by: "h", to: "a@x"}},
		{"from by by h for <a@x>" + end, received{by: "h", to: "a@x"}},
		{"from a for <b@x> by h for <a@x>" + end, received{to: "b@x", odd: true}},
		{"from a by evil for <b@x> (c) by h for <a@x>" + end, received{by: "evil", to: "b@x", odd: true}},
		{"from a by evil id 2 by h for <a@x>" + end, received{by: "h", id: "2", to: "a@x", odd: true}},
		{"from a id 2 by h for <a@x>" + end, received{by: "h", id: "2", to: "a@x", odd: true}},
		{"by h id 1 id 2 for <a@x>" + end, received{by: "h", id: "2", to: "a@x", odd: true}},
		{"by h from a for <a@x>" + end, received{by: "h", to: "a@x", odd: true}},
		{"by h for <a@x>, <b@x>" + end, received{by: "h", to: "<a@x>,", odd: true}},
		{"by h for <a@x> <b@x>" + end, received{by: "h", to: "a@x", odd: true}},
		{"by h for <a@x>for <b@x>" + end, received{by: "h", to: "<a@x>for", odd: true}},
		{"by h for" + end, received{by: "h", odd: true}},
		{"by h (for <b@x>) for <a@x> (c; d)" + end, received{by: "h", to: "a@x"}},
		{"by h for <\"a; for <b@x>\"@x>" + end, received{by: "h", to: "\"a; for <b@x>\"@x"}},
		{"by h; for <a@x>", received{by: "h"}},
		{"by h (for <a@x>", received{by: "h"}},
		{"by h for <a@x" + end, received{by: "h", odd: true}},
		{"from \"by h for <b@x>\" by h" + end, received{by: "h"}},
		{strings.Repeat("(", 1000) + "by h", received{}},
		{"", received{}},
		{" \t", received{}},
	} {
		if got := readReceived(c.value); got != c.want {
			t.Errorf("%q: %+v, want %+v", c.value, got, c.want)
		}
	}
	d := Multi{Fields: []Field{{Name: "Received", By: "h"}}, Local: []string{"x"}}
	for value, want := range map[string]string{
		"from a by h for <a@x>": "a@x", "from a for <b@x> by h for <a@x>": "", "by h for <-oX@x>": "",
		"by h for <a@x> <b@x>": "", "by h for \"a\r\n RCPT TO:<b>\"@x": `"a RCPT TO:<b>"@x`, "by h for |cmd@x": "",
		"by h for a@x" + strings.Repeat(" ", 70<<10): "", "by g for <b@x>\r\nReceived: by h for <a@x>": "a@x",
		"by h\r\nReceived: by h for <b@x>": "",
	} {
		if got, err := to(t, d, "Received: "+value+"\r\n"); got != want {
			t.Errorf("%.60q: %q, %v; want %q", value, got, err, want)
		}
	}
}

func FuzzReceived(f *testing.F) {
	f.Add("from a (b [1.2.3.4]) by mx.isp.example (Postfix) with ESMTP id 4XY for <a@x>; Wed, 4 Nov 2026 10:11:12 +0200")
	f.Add("from unknown (HELO for <b@x>) (192.0.2.7) by mx with SMTP; x")
	f.Add("by h for <\"a; for <b@x>\"@x>;")
	f.Fuzz(func(t *testing.T, s string) {
		r := readReceived(s)
		lower := strings.ToLower(s)
		if !strings.Contains(lower, r.by) || !strings.Contains(s, r.id) || !strings.Contains(s, r.to) {
			t.Fatalf("%q: %+v", s, r)
		}
		if r.to != "" && (r.by == "" && !r.odd || !strings.Contains(lower, "for")) {
			t.Fatalf("%q: a for clause out of nothing: %+v", s, r)
		}
	})
}
