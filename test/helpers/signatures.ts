// SPDX-License-Identifier: Apache-2.0
// The public functions, classes and methods with what TypeScript knows of their parameters, so that a test of all of them
// finds those too that are added later.
import { resolve } from 'node:path';
import ts from 'typescript';

export interface Signature {
  /** As a program reaches it: 'nn.Conv2d', 'Tensor#sum', 'datasets.MNIST.load'. */
  readonly name: string;
  readonly kind: 'function' | 'class' | 'method' | 'static';
  readonly parameters: number;
  /** Whether the last parameter takes any number of arguments. */
  readonly variadic: boolean;
  /** What the options are, if the last parameter is an object of them, and which must be given. */
  readonly options: Options | null;
}
export interface Options {
  readonly kinds: ReadonlyMap<string, ValueKind>;
  /** Which may be null. */
  readonly nullable: ReadonlySet<string>;
  readonly required: readonly string[];
}
export type ValueKind = 'boolean' | 'number' | 'other';

const root = resolve(import.meta.dirname, '../..');

/** Every callable that 'lenode' exports, each once: under its first name. Overloads count as the longest of them. */
export function publicSignatures(): Signature[] {
  const config = ts.getParsedCommandLineOfConfigFile(resolve(root, 'tsconfig.json'), {}, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (d) => {
      throw new Error(String(d.messageText));
    },
  })!;
  const entry = resolve(root, 'lib/index.ts');
  const program = ts.createProgram([entry], { ...config.options, noEmit: true, skipLibCheck: true });
  const checker = program.getTypeChecker();
  const found = new Map<string, Signature>();
  const seen = new Set<ts.Symbol>();
  const own = (symbol: ts.Symbol) => symbol.declarations?.some((d) => d.getSourceFile().fileName.startsWith(`${root}/lib/`)) ?? false;

  const isData = (type: ts.Type): boolean => {
    const optional = type.getProperties().every((p) => p.flags & ts.SymbolFlags.Optional);
    const named = /Options$|^CheckpointContents$/.test(type.aliasSymbol?.name ?? type.symbol?.name ?? '');
    const isClass = ((type.symbol?.flags ?? 0) & ts.SymbolFlags.Class) !== 0;
    return !isClass && type.getCallSignatures().length === 0 && type.getConstructSignatures().length === 0 && (optional || named);
  };

  // A parameter is an options object if its type is one of data whose properties may all be left out, or is called so.
  const optionsOf = (parameter: ts.Symbol): Signature['options'] => {
    const type = checker.getNonNullableType(checker.getTypeOfSymbol(parameter));
    const parts = type.isUnion() ? type.types : [type];
    if (!parts.every((t) => (t.flags & ts.TypeFlags.Object || t.isIntersection()) && isData(t))) return null;
    const options = new Map<string, ValueKind>();
    const required: string[] = [];
    const nullable = new Set<string>();
    for (const property of parts.flatMap((t) => t.getProperties())) {
      const declared = checker.getTypeOfSymbol(property);
      const value = checker.getNonNullableType(declared);
      if (declared.isUnion() && declared.types.some((t) => t.flags & ts.TypeFlags.Null)) nullable.add(property.name);
      const simple = value.flags & ts.TypeFlags.Number ? 'number' : checker.typeToString(value) === 'boolean' ? 'boolean' : 'other';
      options.set(property.name, options.has(property.name) && options.get(property.name) !== simple ? 'other' : simple);
      const everywhere = parts.every((t) => t.getProperty(property.name) && !(t.getProperty(property.name)!.flags & ts.SymbolFlags.Optional));
      if (everywhere && !required.includes(property.name)) required.push(property.name);
    }
    return options.size === 0 ? null : { kinds: options, nullable, required };
  };

  const add = (name: string, kind: Signature['kind'], signatures: readonly ts.Signature[]): void => {
    for (const s of signatures) {
      const parameters = s.getParameters();
      const last = parameters.at(-1);
      const declaration = last?.valueDeclaration as ts.ParameterDeclaration | undefined;
      const next: Signature = {
        name,
        kind,
        parameters: parameters.length,
        variadic: declaration?.dotDotDotToken !== undefined,
        options: last && !declaration?.dotDotDotToken ? optionsOf(last) : null,
      };
      const known = found.get(name);
      if (!known || next.parameters > known.parameters || (next.options && !known.options)) found.set(name, next);
    }
  };

  const walk = (module: ts.Symbol, prefix: string): void => {
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const name = prefix + exported.name;
      if (symbol.flags & ts.SymbolFlags.ValueModule) {
        walk(symbol, `${name}.`);
        continue;
      }
      if (!(symbol.flags & ts.SymbolFlags.Value) || seen.has(symbol)) continue;
      seen.add(symbol);
      const type = checker.getTypeOfSymbol(symbol);
      add(name, 'function', type.getCallSignatures());
      if (!(symbol.flags & ts.SymbolFlags.Class)) continue;
      const declaration = symbol.valueDeclaration as ts.ClassDeclaration;
      if (!(ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Abstract)) add(name, 'class', type.getConstructSignatures());
      for (const property of type.getProperties())
        if (property.name !== 'prototype' && own(property)) add(`${name}.${property.name}`, 'static', checker.getTypeOfSymbol(property).getCallSignatures());
      for (const method of checker.getDeclaredTypeOfSymbol(symbol).getProperties())
        if (own(method) && !ts.isPrivateIdentifier(method.valueDeclaration ?? declaration)) {
          const methodType = checker.getTypeOfSymbol(method);
          if (methodType.getCallSignatures().length > 0) add(`${name}#${method.name}`, 'method', methodType.getCallSignatures());
        }
    }
  };
  walk(checker.getSymbolAtLocation(program.getSourceFile(entry)!)!, '');
  return [...found.values()];
}
